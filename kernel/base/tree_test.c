#include "base/tree.h"
#include "support/test.h"

enum { ITEMS = 512 };

struct item {
    uint32_t key;
    bool is_in;
    struct tree_node node;
};

static struct item items[ITEMS];

static void start(void)
{
    for (uint32_t i = 0; i < ITEMS; i++)
        items[i] = (struct item){.key = i};
}

static void insert(struct tree *tree, struct item *item)
{
    struct tree_node *parent = nullptr, **place = &tree->root;
    while (*place != nullptr) {
        parent = *place;
        place =
            item->key < tree_entry(parent, struct item, node)->key ? &parent->left : &parent->right;
    }
    tree_insert(tree, parent, place, &item->node);
    item->is_in = true;
}

static void check_contents(const struct tree *tree)
{
    CHECK(tree_check(tree));
    struct tree_node *at = tree_first(tree), *before = nullptr;
    for (uint32_t i = 0; i < ITEMS; i++) {
        if (!items[i].is_in) continue;
        CHECK(at == &items[i].node);
        CHECK(tree_previous(at) == before);
        before = at;
        at = tree_next(at);
    }
    CHECK(at == nullptr);
}

TEST(ascending_insertions_stay_balanced_and_in_order)
{
    start();
    struct tree tree = {0};
    for (uint32_t i = 0; i < ITEMS; i++)
        insert(&tree, &items[i]);
    check_contents(&tree);
    CHECK(tree.root->height <= 10);
}

TEST(any_order_of_insertions_and_removals_keeps_the_tree_balanced)
{
    start();
    struct tree tree = {0};
    uint32_t random = 12345;
    for (uint32_t step = 0; step < 20000; step++) {
        random = random * 1664525 + 1013904223;
        struct item *item = &items[(random >> 16) % ITEMS];
        if (!item->is_in) {
            insert(&tree, item);
        } else {
            tree_remove(&tree, &item->node);
            item->is_in = false;
        }
        if (step % 64 == 0) check_contents(&tree);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        if (!items[i].is_in) continue;
        tree_remove(&tree, &items[i].node);
        items[i].is_in = false;
        CHECK(tree_check(&tree));
    }
    CHECK(tree.root == nullptr);
}
