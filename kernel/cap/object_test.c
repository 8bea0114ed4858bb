#include "base/container.h"
#include "cap/object.h"
#include "support/test.h"

/* An object that has the last reference to another, as a channel whose messages hold another. */
struct link {
    struct object object;
    struct object *next; /* counted */
    uintptr_t stack_at_its_end;
    bool is_destroyed;
};
static uint32_t destroyed;

static void destroy_link(struct object *object)
{
    struct link *link = container_of(object, struct link, object);
    link->stack_at_its_end = (uintptr_t)__builtin_frame_address(0);
    link->is_destroyed = true;
    destroyed++;
    if (link->next != nullptr) object_put(link->next);
}
static const struct object_type link_type = {
    .kind = ABI_KIND_CHANNEL, .destroy = destroy_link, .may_cascade = true};

static constexpr uint32_t LINKS = 1000;
static struct link links[LINKS];

TEST(a_chain_of_objects_ends_in_one_put_and_on_one_stack)
{
    uint64_t before = object_count();
    destroyed = 0;
    for (uint32_t i = 0; i < LINKS; i++) {
        object_init(&links[i].object, &link_type);
        links[i].next = i > 0 ? &links[i - 1].object : nullptr;
    }
    object_put(&links[LINKS - 1].object);
    CHECK_EQUAL(LINKS, destroyed); /* all of them before the put returned */
    for (uint32_t i = 0; i < LINKS; i++)
        CHECK_EQUAL(links[LINKS - 1].stack_at_its_end, links[i].stack_at_its_end);
    CHECK_EQUAL(before, object_count());
}

static struct object_grave other_grave;
static struct object_grave *find_other_grave(void)
{
    return &other_grave;
}

TEST(a_thread_destroys_what_it_put_itself)
{
    destroyed = 0;
    object_set_grave(find_other_grave);
    object_init(&links[0].object, &link_type);
    links[0].next = nullptr;
    other_grave.is_active = true; /* as if inside a destroy */
    object_put(&links[0].object);
    CHECK_EQUAL(0, destroyed);
    CHECK(other_grave.first == &links[0].object);
    other_grave.is_active = false;
    object_init(&links[1].object, &link_type);
    links[1].next = nullptr;
    object_put(&links[1].object);
    CHECK_EQUAL(2, destroyed);
    CHECK(other_grave.first == nullptr && !other_grave.is_active);
}
