#include "base/bytes.h"
#include "device/console.h"
#include "support/test.h"

struct reader {
    struct console_wait wait;
    int served;
};

static void note(struct console_wait *wait)
{
    ((struct reader *)(void *)wait)->served++;
}

static struct reader reader_of(uint32_t capacity)
{
    return (struct reader){.wait = {.ready = note, .capacity = capacity}};
}

TEST(what_is_typed_is_read_in_order)
{
    console_init();
    console_input("hel", 3);
    console_input("lo", 2);
    char got[8];
    CHECK_EQUAL(2, console_take(got, 2));
    CHECK_BYTES("he", got, 2);
    CHECK_EQUAL(3, console_take(got, sizeof(got)));
    CHECK_BYTES("llo", got, 3);
    CHECK_EQUAL(0, console_take(got, sizeof(got)));
}

TEST(what_does_not_fit_is_dropped_and_counted)
{
    console_init();
    uint64_t before = console_dropped();
    for (uint32_t i = 0; i < CONSOLE_INPUT_BYTES + 5; i++)
        console_input(&(char){(char)i}, 1);
    CHECK_EQUAL(before + 5, console_dropped());
    char got[CONSOLE_INPUT_BYTES + 5];
    CHECK_EQUAL(CONSOLE_INPUT_BYTES, console_take(got, sizeof(got)));
    for (uint32_t i = 0; i < CONSOLE_INPUT_BYTES; i++)
        CHECK_EQUAL((char)i, got[i]);
}

TEST(an_arrival_serves_the_oldest_readers_first)
{
    console_init();
    struct reader first = reader_of(2), second = reader_of(CONSOLE_WAIT_BYTES);
    struct reader third = reader_of(1);
    CHECK(console_wait_input(&first.wait));
    CHECK(console_wait_input(&second.wait));
    CHECK(console_wait_input(&third.wait));
    console_input("abc", 3);
    CHECK_EQUAL(1, first.served);
    CHECK_EQUAL(2, first.wait.length);
    CHECK_BYTES("ab", first.wait.bytes, 2);
    CHECK_EQUAL(1, second.served);
    CHECK_EQUAL(1, second.wait.length);
    CHECK_EQUAL('c', second.wait.bytes[0]);
    CHECK_EQUAL(0, third.served);
    CHECK(console_unwait(&third.wait));
}

TEST(nobody_waits_while_there_is_input)
{
    console_init();
    struct reader reader = reader_of(1);
    console_input("xy", 2);
    CHECK(!console_wait_input(&reader.wait));
    char got[2];
    CHECK_EQUAL(2, console_take(got, 2));
    CHECK(console_wait_input(&reader.wait));
    CHECK(console_unwait(&reader.wait));
    console_input("z", 1);
    CHECK_EQUAL(0, reader.served);
    CHECK(!console_unwait(&reader.wait));
}

TEST(the_interrupt_key_goes_to_the_watch_and_to_nobody_else)
{
    console_init();
    struct reader watch = reader_of(1), other = reader_of(1);
    CHECK(console_watch_interrupt(&watch.wait));
    CHECK(!console_watch_interrupt(&other.wait));
    console_input("a\3b\3", 4);
    CHECK_EQUAL(1, watch.served);
    CHECK_EQUAL(CONSOLE_INTERRUPT_KEY, watch.wait.bytes[0]);
    char got[8];
    /* What was typed before the first is dropped; the second one found no watch. */
    CHECK_EQUAL(2, console_take(got, sizeof(got)));
    CHECK_BYTES("b\3", got, 2);
    CHECK(console_watch_interrupt(&other.wait));
    CHECK(console_unwait(&other.wait));
    CHECK(!console_unwait(&other.wait));
}

TEST(a_watch_and_a_reader_wait_side_by_side)
{
    console_init();
    struct reader watch = reader_of(1), reader = reader_of(4);
    CHECK(console_watch_interrupt(&watch.wait));
    CHECK(console_wait_input(&reader.wait));
    console_input("\3", 1);
    CHECK_EQUAL(1, watch.served);
    CHECK_EQUAL(0, reader.served);
    console_input("q", 1);
    CHECK_EQUAL(1, reader.served);
}

TEST(the_console_is_an_object_that_can_be_read_written_and_controlled)
{
    console_init();
    struct object *object = console_object();
    CHECK_EQUAL(ABI_KIND_CONSOLE, object_kind(object));
    CHECK(object->type->rights_all & ABI_RIGHT_CONTROL);
    object_get(object);
    object_put(object);
}
