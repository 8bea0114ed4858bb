#include "drivers/block/nvme_queue.h"
#include "support/test.h"
#include <stdlib.h>

static constexpr uint16_t ENTRIES = 5;
static struct nvme_command commands[ENTRIES];
static struct nvme_completion completions[ENTRIES];
static struct nvme_queue queue;

/* The controller's side. */
static uint16_t device_at;
static bool device_phase;

static void make_queue(void)
{
    nvme_queue_init(&queue, ENTRIES, commands, completions);
    device_at = 0;
    device_phase = true;
}

static void answer(uint16_t id, uint16_t status_field)
{
    struct nvme_completion *entry = &completions[device_at];
    atomic_store(&entry->result, 1000u + id);
    uint32_t field = (uint32_t)status_field << 1 | device_phase;
    atomic_store(&entry->id_and_status, field << 16 | id);
    device_at = (uint16_t)((device_at + 1) % ENTRIES);
    if (device_at == 0) device_phase = !device_phase;
}

static void push(uint16_t id)
{
    struct nvme_command command = {.opcode = NVME_READ, .namespace_id = id + 1u};
    nvme_queue_push(&queue, &command, id);
}

TEST(a_completion_is_seen_once_and_names_its_command)
{
    make_queue();
    struct nvme_outcome outcome;
    CHECK_EQUAL(NVME_NOTHING, nvme_queue_reap(&queue, &outcome));
    push(2);
    CHECK_EQUAL(2, commands[0].id);
    CHECK_EQUAL(3, commands[0].namespace_id);
    CHECK_EQUAL(1, queue.tail);
    CHECK_EQUAL(NVME_NOTHING, nvme_queue_reap(&queue, &outcome));
    answer(2, 0x281);
    CHECK_EQUAL(NVME_COMPLETED, nvme_queue_reap(&queue, &outcome));
    CHECK_EQUAL(2, outcome.id);
    CHECK_EQUAL(0x281, outcome.status_field);
    CHECK_EQUAL(1002, outcome.result);
    CHECK_EQUAL(1, queue.head);
    CHECK_EQUAL(0, queue.flight_count);
    CHECK_EQUAL(NVME_NOTHING, nvme_queue_reap(&queue, &outcome));
}

TEST(the_phase_turns_with_every_round)
{
    make_queue();
    for (uint16_t i = 0; i < 7 * ENTRIES; i++) {
        struct nvme_outcome outcome;
        uint16_t id = i % nvme_queue_commands_max(&queue);
        push(id);
        CHECK_EQUAL((i + 1) % ENTRIES, queue.tail);
        CHECK_EQUAL(NVME_NOTHING, nvme_queue_reap(&queue, &outcome));
        answer(id, 0);
        CHECK_EQUAL(NVME_COMPLETED, nvme_queue_reap(&queue, &outcome));
        CHECK_EQUAL(id, outcome.id);
    }
}

static void check_is_broken(void)
{
    struct nvme_outcome outcome;
    CHECK_EQUAL(NVME_BROKEN, nvme_queue_reap(&queue, &outcome));
    CHECK_EQUAL(NVME_BROKEN, nvme_queue_reap(&queue, &outcome));
}

TEST(an_answer_to_what_was_not_asked_breaks_the_pair)
{
    struct nvme_outcome outcome;
    make_queue();
    push(0);
    answer(1, 0);
    check_is_broken();
    make_queue();
    push(0);
    answer(UINT16_MAX, 0);
    check_is_broken();
    make_queue();
    answer(ENTRIES - 1, 0); /* no id of ours */
    check_is_broken();
    make_queue();
    push(3);
    answer(3, 0);
    answer(3, 0);
    CHECK_EQUAL(NVME_COMPLETED, nvme_queue_reap(&queue, &outcome));
    check_is_broken();
}

TEST(what_is_in_flight_is_taken_back_once)
{
    make_queue();
    push(3);
    push(1);
    answer(UINT16_MAX, 0);
    check_is_broken();
    uint16_t id;
    CHECK(nvme_queue_take_back(&queue, &id));
    CHECK_EQUAL(1, id);
    CHECK(nvme_queue_take_back(&queue, &id));
    CHECK_EQUAL(3, id);
    CHECK(!nvme_queue_take_back(&queue, &id));
}

TEST(any_order_of_answers_empties_the_pair)
{
    srand(5);
    make_queue();
    bool in_flight[ENTRIES - 1] = {0};
    uint32_t count = 0;
    for (int step = 0; step < 20000; step++) {
        uint16_t id = (uint16_t)((uint32_t)rand() % nvme_queue_commands_max(&queue));
        struct nvme_outcome outcome;
        if (!in_flight[id]) {
            push(id);
            count++;
        } else {
            answer(id, 0);
            CHECK_EQUAL(NVME_COMPLETED, nvme_queue_reap(&queue, &outcome));
            CHECK_EQUAL(id, outcome.id);
            count--;
        }
        in_flight[id] = !in_flight[id];
        CHECK_EQUAL(count, queue.flight_count);
    }
}
