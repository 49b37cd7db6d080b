//! One log through two deciders with clocks of their own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::*;
use crate::*;
use oi_events::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMIT_MS: u64 = 10_000;
const BEGAN_MS: u64 = 1_790_000_000_000;
const YEAR_MS: i64 = 365 * 24 * 3_600_000;

/// A decider's machine.
struct Machine {
    timeline: Timeline,
    /// By how much its clock is wrong.
    error_ms: i64,
}

/// Two deciders, a broker, and what the time really is.
struct Clocks {
    machines: [Machine; 2],
    broker_error_ms: i64,
    elapsed_ms: u64,
}

impl Clocks {
    fn new() -> Clocks {
        let machine = || Machine { timeline: Timeline::new(LIMIT_MS), error_ms: 0 };
        let mut clocks =
            Clocks { machines: [machine(), machine()], broker_error_ms: 0, elapsed_ms: 0 };
        clocks.pass(0);
        clocks
    }

    fn true_ms(&self) -> u64 {
        BEGAN_MS + self.elapsed_ms
    }

    /// Time passes, and the broker's clock is read every other second.
    fn pass(&mut self, ms: u64) {
        let end = self.elapsed_ms + ms;
        loop {
            self.elapsed_ms = (self.elapsed_ms + 2000).min(end);
            let broker_ms = self.true_ms().saturating_add_signed(self.broker_error_ms);
            for machine in &mut self.machines {
                machine.timeline.observe(broker_ms, self.elapsed_ms);
            }
            if self.elapsed_ms == end {
                return;
            }
        }
    }

    fn time(&self, machine: usize) -> Result<u64, ClockError> {
        self.time_after(machine, 0)
    }

    fn time_after(&self, machine: usize, logged_ms: u64) -> Result<u64, ClockError> {
        let Machine { timeline, error_ms } = &self.machines[machine];
        timeline.time(self.true_ms().saturating_add_signed(*error_ms), self.elapsed_ms, logged_ms)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    /// A machine's clock is set.
    Set(usize, i64),
    /// The broker's clock is wrong for some seconds.
    Leap(i64, u64),
    /// A cluster is to go after a while.
    Bury(u64),
    /// One decider looks at what is due.
    Due(usize),
}

fn error() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), -4000..4000_i64, -600_000..600_000_i64, -YEAR_MS..YEAR_MS, Just(YEAR_MS),]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..120_000_u64).prop_map(Step::Pass),
        2 => (0..2_usize, error()).prop_map(|(n, e)| Step::Set(n, e)),
        1 => (error(), 0..HOLD_MS - LIMIT_MS).prop_map(|(e, ms)| Step::Leap(e, ms)),
        2 => (1000..600_000_u64).prop_map(Step::Bury),
        4 => (0..2_usize).prop_map(Step::Due),
    ]
}

/// What waits to be decided, and when each cluster may go at the earliest.
struct Run {
    world: World,
    clocks: Clocks,
    waiting: Vec<CommandEnvelope>,
    buried: BTreeMap<ClusterName, u64>,
    asked: u128,
}

impl Run {
    /// A decider decides what waits, if it knows what time it is.
    fn decide(&mut self, machine: usize) {
        let logged_ms = self.world.state.time_ms;
        let Ok(time_ms) = self.clocks.time_after(machine, logged_ms) else { return };
        let wrong = time_ms.abs_diff(self.clocks.true_ms());
        assert!(wrong <= 2 * LIMIT_MS, "decides {wrong} ms beside the time");
        let before = self.world.state.time_ms;
        self.world.now_ms = time_ms.max(before);
        for command in due(&self.world.state, time_ms) {
            self.ask(command);
        }
        for envelope in std::mem::take(&mut self.waiting) {
            if let Command::Cluster(ClusterCommand::DeleteCluster(c)) = &envelope.command {
                let earliest = self.buried[&c.name];
                assert!(self.clocks.true_ms() + 2 * LIMIT_MS >= earliest, "{} goes early", c.name);
            }
            let events = self.world.decide(&envelope).expect("nothing in time is refused");
            if !events.is_empty() {
                self.world.commit(envelope, events);
            }
        }
        assert!(self.world.state.time_ms >= before, "time goes back");
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pass(ms) => self.clocks.pass(ms),
            Step::Set(n, error_ms) => self.clocks.machines[n].error_ms = error_ms,
            Step::Leap(error_ms, ms) => {
                self.clocks.broker_error_ms = error_ms;
                self.clocks.pass(ms);
                (0..2).for_each(|n| self.decide(n));
                self.clocks.broker_error_ms = 0;
                self.clocks.pass(0);
            }
            Step::Bury(grace_ms) => {
                let name: ClusterName = name(&format!("c{}", self.buried.len()));
                self.buried.insert(name.clone(), self.clocks.true_ms() + grace_ms);
                self.ask(cluster(name.as_str()));
                self.ask(ScheduleDeletionV1 { name, grace_ms });
            }
            Step::Due(n) => self.decide(n),
        }
    }

    /// Somebody asks, by a clock that is right.
    fn ask(&mut self, command: impl Into<Command>) {
        self.asked += 1;
        let id = CommandId(uuid::Uuid::from_u128((1 << 100) + self.asked));
        self.waiting.push(CommandEnvelope::new(id, "tester", self.clocks.true_ms(), command));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_their_clocks_show_deciders_lose_nothing_and_delete_nothing_early(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut run = Run {
            world: World::new(),
            clocks: Clocks::new(),
            waiting: Vec::new(),
            buried: BTreeMap::new(),
            asked: 0,
        };
        for step in steps {
            run.take(step);
        }
        // Once a clock is right again, all that was asked is decided, and what is due happens.
        run.clocks.machines[1].error_ms = 0;
        run.clocks.pass(HOLD_MS + 2000);
        run.decide(1);
        run.clocks.pass(610_000);
        run.decide(1);
        prop_assert!(run.waiting.is_empty());
        let last = run.clocks.true_ms();
        let gone = |name: &ClusterName| !run.world.state.clusters.contains_key(name)
            || run.world.cluster(name.as_str()).phase == ClusterPhase::Deleting;
        for (name, earliest) in &run.buried {
            prop_assert!(*earliest > last || gone(name), "{name} stays");
        }
    }
}

#[test]
fn a_clock_that_is_wrong_does_not_decide() {
    let mut clocks = Clocks::new();
    clocks.pass(5000);
    assert_eq!(clocks.time(0), Ok(clocks.true_ms()));
    clocks.machines[0].error_ms = YEAR_MS;
    assert_eq!(clocks.time(0), Err(ClockError::Apart { skew_ms: YEAR_MS }));
    assert_eq!(clocks.time(1), Ok(clocks.true_ms()));
    clocks.machines[0].error_ms = -60_000;
    let told = clocks.time(0).unwrap_err().to_string();
    assert!(told.starts_with("this machine's clock is 60 s behind the broker's"), "{told}");
}

#[test]
fn a_leap_of_all_clocks_is_believed_once_it_lasts() {
    let mut clocks = Clocks::new();
    clocks.pass(5000);
    // One machine holds all: its clock is set an hour ahead.
    let leap_ms = 3_600_000;
    clocks.machines[0].error_ms = leap_ms;
    clocks.broker_error_ms = leap_ms;
    clocks.pass(2000);
    assert_eq!(clocks.time(0), Err(ClockError::Leapt { leap_ms }));
    clocks.pass(HOLD_MS + 4000);
    assert_eq!(clocks.time(0), Ok(clocks.true_ms() + 3_600_000));
}

#[test]
fn nothing_is_decided_by_a_broker_that_has_not_told_the_time() {
    let clocks = Clocks::new();
    let unread = Timeline::new(LIMIT_MS);
    assert_eq!(unread.time(BEGAN_MS, 0, 0), Err(ClockError::Unread));
    let timeline = &clocks.machines[0].timeline;
    assert_eq!(
        timeline.time(BEGAN_MS + 60_000, 60_000, 0),
        Err(ClockError::Unread),
        "too long ago"
    );
}

#[test]
fn nothing_is_decided_long_before_the_last_commit() {
    let clocks = Clocks::new();
    let now = clocks.true_ms();
    assert_eq!(clocks.time_after(0, now + LIMIT_MS), Ok(now), "within the limit");
    let by_ms = 3_600_000;
    assert_eq!(clocks.time_after(0, now + by_ms), Err(ClockError::LogAhead { by_ms }));
}
