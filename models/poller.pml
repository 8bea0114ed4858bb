/*
 * Poller mode, as abi/abi/ring.h says it (the doorbell) and kernel/ring and user/peal do it: programs,
 * each with a ring of four entries, one poller that serves them all, a device that completes what does not
 * complete at once. Every interleaving is looked at.
 *
 * Found are: an entry that is never accepted because everybody sleeps; one accepted twice, lost, or read
 * after its place was used again; a completion lost, doubled or written over; a thread that waits in the kernel,
 * or in front of cq_ready, for ever; a ring touched by the poller after it was taken away from it. Each program
 * makes WORK submissions and must come to its end; when one cannot, the others come to theirs and nothing can
 * move any more ("invalid end state"). The rest are assertions.
 *
 * Memory is that of x86: what a processor stores waits in a buffer, in order, and others see it later; what
 * it loads does not wait for that. `drained` is a full barrier, and what every locked instruction begins with.
 * A step of a process is one load at most, with what it computes and puts into its buffer. Nobody loads a word of which
 * its own buffer holds a newer value (see wait_for_ready). The entries themselves are written at once, earlier than
 * in truth, which can only show more mistakes.
 *
 * This file is two rings with one poller, where everything completes at once: each program's wake-ups and
 * the poller's one sleep for both. poller_completions.pml is one ring with a device, whose completions come from
 * another processor under the ring's lock, and every way to wait for them. The two rings meet in the poller's sleep
 * only, of which the device knows nothing. The models named poller_no_... leave one thing out and must fail.
 *
 * Left out: `ring`, the counter, which nobody waits for; a wait for more than one completion; deadlines.
 */

#ifndef RINGS
#define RINGS   2
#endif
#define ENTRIES 4 /* submissions a ring has place for */
#define SLOTS   4 /* completions: in truth twice as many; fewer, so that there are soon none left */
#define WORK    (5 - 2 * me) /* submissions of each program: of the first, more than it has place for */
#define TURN    2 /* submissions accepted at most in one visit of the poller */

/* The shared words of each ring. */
#define WORDS           8
#define TAIL(r)         ((r) * WORDS + 0) /* submission_tail: the program */
#define TAKEN(r)        ((r) * WORDS + 1) /* submission_head: the poller */
#define SHOWN(r)        ((r) * WORDS + 2) /* completion_tail, and right behind it ring->shown: the completion side */
#define REAPED(r)       ((r) * WORDS + 3) /* completion_head: the program */
#define NEEDS_WAKEUP(r) ((r) * WORDS + 4) /* the poller */
#define CQ_READY(r)     ((r) * WORDS + 5) /* the completion side sets, the program clears */
#define WAITED_FOR(r)   ((r) * WORDS + 6) /* ring->is_waited_for: written under the ring's lock only */
#define LOCK(r)         ((r) * WORDS + 7) /* ring->lock */
byte memory[RINGS * WORDS];

/* Store buffers: of the programs, each on a processor of its own, and of the poller. Deep enough for all that
 * anybody stores between two barriers. */
#define POLLER  RINGS
#define BUFFERS (RINGS + 1)
chan stores[BUFFERS] = [8] of { byte, byte };
#define drained     empty(stores[me])
#define load(where) memory[where]
inline store(where, what)
{
    assert(nfull(stores[me]));
    stores[me]!where, what
}
active [BUFFERS] proctype processor()
{
    byte where, what;
end:
    do
    :: atomic { stores[_pid]?where, what -> memory[where] = what; where = 0; what = 0 }
    od
}

/* The barriers, which the negative models leave out. */
#ifdef NO_BARRIER_RINGING
#define barrier_ringing true
#else
#define barrier_ringing drained
#endif
#ifdef NO_BARRIER_SLEEPING
#define barrier_sleeping true
#else
#define barrier_sleeping drained
#endif
#ifdef NO_BARRIER_SHOWING
#define barrier_showing true
#else
#define barrier_showing drained
#endif
#ifdef NO_BARRIER_WAITING
#define barrier_waiting true
#else
#define barrier_waiting drained
#endif
#ifdef NO_BARRIER_CLEARING
#define barrier_clearing true
#else
#define barrier_clearing drained
#endif

/* The contents. */
byte entry[RINGS * ENTRIES]; /* the number of the submission, from 1 */
byte slot[RINGS * SLOTS];    /* the same of the completion */

/* The kernel's own, of each ring. */
byte completed[RINGS];
byte in_device[RINGS]; /* number of the submission that pends; 0: ring->pending is 0 */
bool thread_sleeps[RINGS];

/* Guarded by the poller's lock, whose sections are single steps here. */
bool poller_sleeps;
bool poller_is_called; /* it must not sleep: somebody came while it was awake */
bool leaves[RINGS];    /* wants to be detached */
bool attached[RINGS];

inline call_poller()
{
    if
    :: poller_sleeps -> poller_sleeps = false
    :: else -> poller_is_called = true
    fi
}

/* The step that takes the ring's lock goes on with what it does first. */
#define may_acquire(r) (drained && memory[LOCK(r)] == 0)
#define acquire(r)     memory[LOCK(r)] = 1
inline release(r)
{
    store(LOCK(r), 0)
}

inline write_completion(r, number)
{
    assert(completed[r] - load(REAPED(r)) < SLOTS);
    slot[r * SLOTS + completed[r] % SLOTS] = number;
    completed[r]++
}

/* ---- the program, and its thread in the kernel ---- */

/* ring_enter() on a ring with a poller, without waiting. */
inline enter()
{
    atomic { drained -> call_poller() }
}

/* And until a completion is unread. */
inline enter_and_wait()
{
    enter();
    atomic { may_acquire(me) -> acquire(me); store(WAITED_FOR(me), 1) }
    do
    :: atomic { barrier_waiting && load(SHOWN(me)) != reaped -> store(WAITED_FOR(me), 0); release(me) } break
    :: atomic { barrier_waiting && load(SHOWN(me)) == reaped -> thread_sleeps[me] = true }
       /* Falling asleep lets go of the lock, and the switch to another thread is a barrier, too. */
       atomic { drained -> memory[LOCK(me)] = 0 }
       atomic { !thread_sleeps[me] && may_acquire(me) -> acquire(me); store(WAITED_FOR(me), 1) }
    od
}

/* After a tail is published; and after completions are taken while something published is not accepted. */
inline ring_doorbell()
{
    if
    :: barrier_ringing && load(NEEDS_WAKEUP(me)) -> enter()
    :: barrier_ringing && !load(NEEDS_WAKEUP(me))
    fi
}

inline reap_all()
{
    atomic {
        tail = load(SHOWN(me));
        do
        :: reaped != tail ->
            number = slot[me * SLOTS + reaped % SLOTS];
            assert(number > 0 && !(seen & (1 << number))); /* each one once */
            seen = seen | (1 << number);
            reaped++
        :: else -> break
        od;
        number = 0;
        tail = 0;
        store(REAPED(me), reaped)
    }
#ifndef NO_DOORBELL_REAPING
    if
    :: made != load(TAKEN(me)) -> ring_doorbell()
    :: else
    fi
#endif
}

/* Waiting in the program for the word itself. */
inline wait_for_ready()
{
    /* Until its own 0 has left the buffer that is what it reads. */
    atomic { drained && load(CQ_READY(me)) -> store(CQ_READY(me), 0) }
    barrier_clearing
}

inline fill()
{
    entry[me * ENTRIES + made % ENTRIES] = made + 1;
    made++
}

proctype program(byte me)
{
    byte made, reaped, number, tail;
    short seen;
    do
    :: atomic {
           made < WORK && made - load(TAKEN(me)) < ENTRIES ->
           fill();
           if /* one by one, or two together */
           :: made < WORK && made - load(TAKEN(me)) < ENTRIES -> fill()
           :: true
           fi;
           store(TAIL(me), made)
       }
       ring_doorbell()
    :: reaped < made ->
        if /* three ways to wait; once one is chosen there is no other */
        :: true -> load(SHOWN(me)) != reaped
#ifdef COMPLETIONS
        :: true -> wait_for_ready()
        :: true -> enter_and_wait()
#endif
        fi;
        reap_all()
    :: reaped == WORK -> break
    od;
    assert(seen == (1 << (WORK + 1)) - 2);

    atomic { drained -> leaves[me] = true; call_poller() } /* poller_detach() */
    !leaves[me];
    assert(!attached[me])
}

/* ---- the completion side ---- */

#ifdef COMPLETIONS
/* What comes to its end elsewhere, publish() in kernel/ring/op.c: all under the lock, so its buffer is left out. */
active proctype device()
{
end:
    do
    :: atomic { in_device[0] != 0 && memory[LOCK(0)] == 0 -> acquire(0) }
       atomic { write_completion(0, in_device[0]); memory[SHOWN(0)] = completed[0] }
       memory[CQ_READY(0)] = 1;
       atomic {
           if
           :: load(WAITED_FOR(0)) -> memory[WAITED_FOR(0)] = 0; thread_sleeps[0] = false
           :: else
           fi;
           in_device[0] = 0
       }
       memory[LOCK(0)] = 0
    od
}
#endif

/* ring_show() on a ring with a poller. */
inline publish(r)
{
    store(SHOWN(r), completed[r]);
#ifdef COMPLETIONS
    store(CQ_READY(r), 1)
#endif
}

inline wake_waiter(r)
{
    if
    :: load(WAITED_FOR(r)) -> store(WAITED_FOR(r), 0); thread_sleeps[r] = false
    :: else
    fi
}

/* ---- the poller ---- */

/* Accepts what it finds, at most TURN. */
inline visit(r)
{
    assert(attached[r]);
    tail = load(TAIL(r));
    atomic {
        head = load(REAPED(r));
        do
        :: count < TURN && accepted[r] != tail && accepted[r] - head < SLOTS ->
            assert(entry[r * ENTRIES + accepted[r] % ENTRIES] == accepted[r] + 1); /* in order, not written over */
            accepted[r]++;
            count++;
            if
            :: in_device[r] == 0 -> write_completion(r, accepted[r]) /* alone: no lock */
#ifdef COMPLETIONS
            :: in_device[r] == 0 -> /* it pends; what was written without the lock is shown */
                may_acquire(r) -> acquire(r);
                publish(r);
                in_device[r] = accepted[r];
                release(r)
            :: in_device[r] != 0 ->
                may_acquire(r) -> acquire(r);
                write_completion(r, accepted[r]);
                publish(r);
                wake_waiter(r);
                release(r)
#endif
            fi
        :: else -> break
        od;
        if
        :: count > 0 -> store(TAKEN(r), accepted[r])
        :: else
        fi;
        tail = 0; head = 0
    }
    if
    :: count > 0 ->
        did_work = true;
        atomic {
            count = 0;
            if
            :: in_device[r] == 0 -> publish(r)
            :: else
            fi
        }
        /* Without the lock: somebody may have begun to wait. */
        if
        :: barrier_showing && load(WAITED_FOR(r)) ->
            atomic { may_acquire(r) -> acquire(r); wake_waiter(r); release(r) }
        :: barrier_showing && !load(WAITED_FOR(r))
        fi
    :: else
    fi
}

/* Is there something it could accept? */
inline look(r)
{
    if
    :: attached[r] && load(TAIL(r)) != accepted[r] ->
        if
        :: accepted[r] - load(REAPED(r)) < SLOTS -> did_work = true
        :: else
        fi
    :: else
    fi
}


inline set_needs_wakeup(r, value)
{
    if
    :: attached[r] -> store(NEEDS_WAKEUP(r), value)
    :: else
    fi
}

inline detach_leaving(r)
{
    if
    :: leaves[r] -> atomic { drained -> attached[r] = false; leaves[r] = false }
    :: else
    fi
}

inline visit_attached(r)
{
    detach_leaving(r);
    if
    :: attached[r] -> visit(r)
    :: else
    fi
}

active proctype poller()
{
    byte me = POLLER;
    byte accepted[RINGS];
    byte tail, head, count;
    bool did_work;
    atomic {
        attached[0] = true;
        run program(0);
#if RINGS == 2
        attached[1] = true;
        run program(1)
#endif
    }
    do
    :: visit_attached(0);
#if RINGS == 2
       visit_attached(1);
#endif
       if
       :: did_work -> did_work = false
       :: else ->
           atomic {
               set_needs_wakeup(0, 1);
#if RINGS == 2
               set_needs_wakeup(1, 1)
#endif
           }
           barrier_sleeping;
#ifndef NO_RECHECK
           look(0);
#if RINGS == 2
           look(1);
#endif
#endif
           if
           :: did_work
           :: else ->
               atomic { drained -> poller_sleeps = !poller_is_called; poller_is_called = false }
end:
               !poller_sleeps
           fi;
           atomic {
               did_work = false;
               set_needs_wakeup(0, 0);
#if RINGS == 2
               set_needs_wakeup(1, 0)
#endif
           }
       fi
    od
}
