//! Whether builds got slower: a run and those before it are compared with earlier runs of the same
//! kind.
//!
//! One slow run is no evidence: on a machine where unchanged builds vary by 6 %, one of 20 is 20 %
//! over the median, and half of the builds that are 20 % slower are not. Three in a row over 10 %
//! are: see the tests.

use crate::measure::builds::{RecordedBuild, RecordedStep, is_masked};
use crate::measure::runs::Run;

/// The number of earlier runs that a comparison needs, and the maximum that it uses.
pub(crate) const FEWEST: usize = 5;
const MOST: usize = 20;
/// A smaller difference is noise, in seconds: an unchanged build of one second takes up to two.
const FLOOR: f64 = 1.0;
/// The spread of unchanged runs above which a regression of 20 % is found in less than half of the
/// cases.
const NOISY: f64 = 0.12;
/// The number of slow runs in a row that are a regression, unless the user chooses.
pub(crate) const IN_A_ROW: usize = 3;
/// The quantiles of the normal distribution at which so many runs in a row are all over in 8 of 10
/// cases: of 0.8^(1/n), n = 1 to 10.
const QUANTILES: [f64; 10] = [0.84, 1.25, 1.46, 1.6, 1.71, 1.79, 1.86, 1.92, 1.97, 2.01];

/// The times of runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usual {
    /// The number of runs; never 0.
    pub runs: usize,
    /// In seconds.
    pub median: f64,
    /// The shortest and the longest, in seconds.
    pub range: (f64, f64),
    /// The standard deviation as a share of the median, estimated from the median deviation, which
    /// no outlier moves.
    pub spread: f64,
}

impl Usual {
    /// The times of the successful runs of a label; `None` without one.
    pub(crate) fn of<'a>(runs: impl Iterator<Item = &'a Run>, label: &str) -> Option<Self> {
        let counts = |run: &&Run| run.is_successful() && run.label == label && run.seconds > 0.0;
        Self::of_times(runs.filter(counts).map(|run| run.seconds).collect())
    }

    /// `None` without a time.
    fn of_times(mut times: Vec<f64>) -> Option<Self> {
        let median = median(&mut times)?;
        let range = (*times.first()?, *times.last()?);
        let mut deviations: Vec<f64> = times.iter().map(|time| (time - median).abs()).collect();
        // The factor for a normal distribution.
        let spread = self::median(&mut deviations)? * 1.4826 / median;
        Some(Self { runs: times.len(), median, range, spread })
    }

    /// The difference between a time and the median, in percent.
    pub(crate) fn excess(&self, seconds: f64) -> f64 {
        (seconds / self.median - 1.0) * 100.0
    }
}

/// The median of times, which are sorted; `None` without one.
fn median(times: &mut [f64]) -> Option<f64> {
    times.sort_unstable_by(f64::total_cmp);
    let middle = times.len() / 2;
    match times.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(times[middle - 1], times[middle])),
        _ => Some(times[middle]),
    }
}

/// How much slower builds may get.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit {
    /// In percent.
    pub allowed: f64,
    /// How many runs in a row must be slower.
    pub in_a_row: usize,
}

/// A run compared with earlier ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trend {
    pub limit: Limit,
    /// The number of earlier runs that can be compared with it.
    pub comparable: usize,
    /// The runs before those that are judged; `None` if they are too few.
    pub usual: Option<Usual>,
    /// How many runs in a row are slower than allowed: this one, those before it; at most those
    /// that are judged.
    pub slower: usize,
}

impl Trend {
    /// Compares a run with those of a record, in their order.
    pub(crate) fn of(earlier: &[Run], now: &Run, limit: Limit) -> Self {
        let times: Vec<f64> = comparable(earlier, now).iter().map(|run| run.seconds).collect();
        Self::of_times(&times, now.seconds, limit)
    }

    fn of_times(earlier: &[f64], now: f64, limit: Limit) -> Self {
        let before = earlier.len().saturating_sub(limit.in_a_row - 1);
        let (before, recent) = earlier.split_at(before);
        let base = &before[before.len().saturating_sub(MOST)..];
        let usual = Usual::of_times(base.to_vec()).filter(|usual| usual.runs >= FEWEST);
        let is_slower = |usual: &Usual, seconds: f64| {
            usual.excess(seconds) > limit.allowed && seconds - usual.median > FLOOR
        };
        let judged = [now].into_iter().chain(recent.iter().rev().copied());
        let slower = usual
            .map_or(0, |usual| judged.take_while(|seconds| is_slower(&usual, *seconds)).count());
        Self { limit, comparable: earlier.len(), usual, slower }
    }

    /// The usual time, if enough runs in a row are slower.
    pub(crate) fn regression(&self) -> Option<Usual> {
        self.usual.filter(|_| self.slower >= self.limit.in_a_row)
    }

    /// The number of earlier runs that a comparison needs.
    pub(crate) fn needed(&self) -> usize {
        FEWEST + self.limit.in_a_row - 1
    }

    /// The regression in percent that is found in 8 of 10 cases, if the runs vary so much that it
    /// is not a small one.
    pub(crate) fn noise(&self) -> Option<f64> {
        let usual = self.usual.filter(|usual| usual.spread > NOISY)?;
        let quantile = QUANTILES[self.limit.in_a_row.clamp(1, QUANTILES.len()) - 1];
        Some(((1.0 + self.limit.allowed / 100.0) * (quantile * usual.spread).exp() - 1.0) * 100.0)
    }
}

/// The largest number of runs in a row that a user may choose.
pub(crate) const LONGEST_ROW: usize = QUANTILES.len();

/// The earlier runs that can be compared with a run: of its label and protocol, on its machine, and
/// with as many `RUN` steps that ran.
fn comparable<'a>(earlier: &'a [Run], now: &Run) -> Vec<&'a Run> {
    let is_of_kind = |run: &&Run| match (run.known_builds(), now.known_builds()) {
        // Under a protocol, one more step that runs is no other kind: it is what got slower.
        _ if now.protocol.is_some() => true,
        (Some(earlier), Some(builds)) => kind(earlier) == kind(builds),
        // Lines without builds are compared by label.
        _ => true,
    };
    alike(earlier, now).into_iter().filter(is_of_kind).collect()
}

/// The runs of a label and a protocol on the same machine.
fn alike<'a>(earlier: &'a [Run], now: &Run) -> Vec<&'a Run> {
    let is_alike = |run: &&Run| {
        let is_same = run.label == now.label && run.protocol == now.protocol;
        is_same && run.is_successful() && run.seconds > 0.0 && !run.overlapping
    };
    if !now.is_successful() || now.overlapping {
        return Vec::new();
    }
    let mut runs: Vec<&Run> = earlier.iter().filter(is_alike).collect();
    // The machines of some CI systems have a new name each time.
    if now.machine.is_some() && runs.iter().any(|run| run.machine == now.machine) {
        runs.retain(|run| run.machine.is_none() || run.machine == now.machine);
    }
    runs
}

/// Each target with the number of `RUN` steps that ran.
fn kind(builds: &[RecordedBuild]) -> Vec<(&str, usize)> {
    let mut kind: Vec<(&str, usize)> =
        builds.iter().map(|build| (build.target.as_str(), build.ran())).collect();
    kind.sort_unstable();
    kind
}

/// A `RUN` step that was cached in every earlier run, and runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LostCache {
    pub target: String,
    pub step: String,
    /// The number of runs in which it was cached.
    pub cached: usize,
}

/// The steps that ran in this run and in those before it, `in_a_row` together, and were cached in
/// all runs before these.
pub(crate) fn lost_caches(earlier: &[Run], now: &Run, in_a_row: usize) -> Vec<LostCache> {
    let runs = alike(earlier, now);
    let mut lost = Vec::new();
    for build in now.known_builds().into_iter().flatten() {
        for step in build.run_steps.iter().filter(|step| !step.cached && !is_masked(&step.step)) {
            // Runs in which the step was not reached are left out.
            let was_cached: Vec<bool> = runs
                .iter()
                .filter_map(|run| find_step(run, &build.target, &step.step))
                .map(|step| step.cached)
                .collect();
            let before = was_cached.len().saturating_sub(in_a_row - 1);
            let (before, recent) = was_cached.split_at(before);
            let before = &before[before.len().saturating_sub(MOST)..];
            if before.len() >= FEWEST
                && before.iter().all(|cached| *cached)
                && !recent.contains(&true)
            {
                let (target, step) = (build.target.clone(), step.step.clone());
                lost.push(LostCache { target, step, cached: before.len() });
            }
        }
    }
    lost
}

/// A step of a run, wherever its stage has it now.
fn find_step<'a>(run: &'a Run, target: &str, step: &str) -> Option<&'a RecordedStep> {
    let builds = run.known_builds()?.iter().filter(|build| build.target == target);
    let mut steps = builds.flat_map(|build| &build.run_steps);
    steps.find(|other| without_position(&other.step) == without_position(step))
}

/// `[deps 2/5] RUN x` as `[deps` and `RUN x`.
fn without_position(step: &str) -> (&str, &str) {
    let (place, rest) = step.split_once("] ").unwrap_or(("", step));
    (place.rsplit_once(' ').map_or("", |(stage, _)| stage), rest)
}

/// The time of a build and its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timing {
    /// In seconds.
    pub seconds: f64,
    /// The time limit in seconds.
    pub budget: Option<f64>,
    /// The comparison with earlier runs, if it is wanted.
    pub trend: Option<Trend>,
}

impl Timing {
    /// The budget, if it is exceeded.
    pub(crate) fn over_budget(&self) -> Option<f64> {
        self.budget.filter(|budget| self.seconds > *budget)
    }

    /// The comparison and the usual time, if builds got slower.
    pub(crate) fn regression(&self) -> Option<(Trend, Usual)> {
        let trend = self.trend?;
        Some((trend, trend.regression()?))
    }

    /// Whether neither limit is exceeded.
    pub(crate) fn passes(&self) -> bool {
        self.over_budget().is_none() && self.regression().is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::measure::builds::tests::build;
    use crate::measure::protocol::Protocol;
    use crate::measure::runs::tests::run;

    const GATE: Limit = Limit { allowed: 10.0, in_a_row: IN_A_ROW };

    fn runs(seconds: &[f64]) -> Vec<Run> {
        seconds.iter().map(|seconds| run("a", *seconds, 0)).collect()
    }

    #[test]
    fn the_median_is_of_the_successful_runs_of_one_label() {
        let runs = [
            run("a", 3.0, 0),
            run("a", 100.0, 1),
            run("b", 50.0, 0),
            run("a", 1.0, 0),
            run("a", 2.0, 0),
        ];
        let usual = Usual::of(runs.iter(), "a").unwrap();
        assert_eq!((usual.runs, usual.median, usual.range), (3, 2.0, (1.0, 3.0)));
        assert!((usual.spread - 0.7413).abs() < 1e-9, "{usual:?}");
        let even = Usual::of(runs[..4].iter(), "a").unwrap();
        assert_eq!((even.runs, even.median), (2, 2.0));
        assert_eq!(Usual::of(runs.iter(), "c"), None);
        assert_eq!((usual.excess(3.0), usual.excess(1.0)), (50.0, -50.0));
    }

    #[test]
    fn slower_runs_in_a_row_are_a_regression() {
        for (earlier, now, slower, found) in [
            (&[30.0; 7][..], 40.0, 1, false),
            (&[30.0, 30.0, 30.0, 30.0, 30.0, 40.0, 40.0], 40.0, 3, true),
            (&[30.0, 30.0, 30.0, 30.0, 30.0, 40.0, 32.0], 40.0, 1, false),
            (&[30.0, 30.0, 30.0, 30.0, 30.0, 32.0, 40.0], 40.0, 2, false),
            (&[30.0, 30.0, 30.0, 30.0, 30.0, 40.0, 40.0], 32.0, 0, false),
            // Too few.
            (&[30.0, 30.0, 30.0, 30.0, 40.0, 40.0], 40.0, 0, false),
            (&[], 40.0, 0, false),
            // A second is noise.
            (&[1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0], 2.0, 0, false),
            (&[1.0, 1.0, 1.0, 1.0, 1.0, 2.1, 2.1], 2.1, 3, true),
        ] {
            let trend = Trend::of(&runs(earlier), &run("a", now, 0), GATE);
            let regression = trend.regression().is_some();
            assert_eq!((trend.slower, regression), (slower, found), "{earlier:?} {now}");
            assert_eq!(trend.comparable, earlier.len());
        }
        let one = Limit { in_a_row: 1, ..GATE };
        let trend = Trend::of(&runs(&[30.0; 5]), &run("a", 40.0, 0), one);
        assert!(trend.regression().is_some() && trend.needed() == 5, "{trend:?}");
        // Old runs count no more.
        let mut long = vec![10.0; 50];
        long.extend([30.0; 22]);
        let trend = Trend::of(&runs(&long), &run("a", 31.0, 0), GATE);
        assert_eq!(trend.usual.map(|usual| (usual.runs, usual.median)), Some((MOST, 30.0)));
    }

    #[test]
    fn like_is_compared_with_like() {
        let of = |change: &dyn Fn(&mut Run)| {
            let mut run = run("a", 5.0, 0);
            change(&mut run);
            run
        };
        let builds = |ran: &[(&str, bool)]| {
            let web = build("web", ran);
            move |run: &mut Run| run.builds = Some(Ok(vec![web.clone()]))
        };
        let (cached, fresh) = (("[a 1/1] RUN x", true), ("[a 1/1] RUN x", false));
        let machine = |name: &str| {
            let name = Some(name.to_owned());
            move |run: &mut Run| run.machine.clone_from(&name)
        };
        let old = of(&|_| {});
        let touched = |run: &mut Run| run.protocol = Some(Protocol::new(["a.ts".into()], false));
        let touched_with = |step: (&str, bool)| {
            let builds = builds(&[step]);
            move |run: &mut Run| {
                builds(run);
                touched(run);
            }
        };
        let one = |earlier: &Run, now: &Run| comparable(std::slice::from_ref(earlier), now).len();
        for (earlier, now, expected) in [
            (old.clone(), old.clone(), 1),
            (old.clone(), of(&builds(&[cached])), 1),
            (of(&builds(&[cached])), of(&builds(&[cached])), 1),
            (of(&builds(&[fresh])), of(&builds(&[cached])), 0),
            (of(&machine("b")), of(&machine("c")), 1),
            (of(&|run| run.exit_code = 1), old.clone(), 0),
            (of(&|run| run.label = "b".into()), old.clone(), 0),
            (of(&|run| run.overlapping = true), old.clone(), 0),
            (old.clone(), of(&|run| run.overlapping = true), 0),
            (old.clone(), of(&|run| run.exit_code = 1), 0),
            (of(&touched), of(&touched), 1),
            (of(&touched), old.clone(), 0),
            (of(&touched_with(fresh)), of(&touched_with(cached)), 1),
        ] {
            assert_eq!(one(&earlier, &now), expected, "{earlier:?} {now:?}");
        }
        // A machine that is there again is compared with itself.
        let earlier = [of(&machine("b")), of(&machine("c")), old.clone()];
        assert_eq!(comparable(&earlier, &of(&machine("b"))).len(), 2);
        assert_eq!(comparable(&earlier, &of(&machine("d"))).len(), 3);
    }

    #[test]
    fn a_step_that_was_always_cached_is_named() {
        let at = |cached: bool, position: &str| {
            let steps = [(&*format!("[deps {position}] RUN install"), cached)];
            Run { builds: Some(Ok(vec![build("web", &steps)])), ..run("a", 5.0, 0) }
        };
        let mut earlier = vec![at(true, "2/5"); 6];
        let now = at(false, "3/6");
        assert_eq!(lost_caches(&earlier, &now, 3), []);
        earlier.extend([at(false, "3/6"), at(false, "3/6")]);
        let lost = lost_caches(&earlier, &now, 3);
        let step = "[deps 3/6] RUN install".to_owned();
        assert_eq!(lost, [LostCache { target: "web".into(), step, cached: 6 }]);
        assert_eq!(lost_caches(&earlier, &at(true, "3/6"), 3), []);
        earlier[0] = now.clone();
        assert_eq!(lost_caches(&earlier, &now, 3), [], "it ran before as well");
    }

    /// The gate of earlier versions: one run that is 20 % over the median.
    fn former(earlier: &[f64], now: f64) -> bool {
        Usual::of_times(earlier.to_vec()).is_some_and(|usual| usual.excess(now) > 20.0)
    }

    fn gate(earlier: &[f64], now: f64) -> bool {
        Trend::of_times(earlier, now, GATE).regression().is_some()
    }

    /// False alarms of both gates in a series of unchanged builds: the former, this one, judged.
    fn alarms(series: &[f64]) -> (usize, usize, usize) {
        let count = |gate: fn(&[f64], f64) -> bool| {
            (1..series.len()).filter(|&at| gate(&series[..at], series[at])).count()
        };
        (count(former), count(gate), series.len() - 1)
    }

    #[test]
    fn unchanged_real_builds_raise_no_alarm() {
        let facts: Value =
            serde_json::from_str(include_str!("../../tests/facts/builds.json")).unwrap();
        let series = |name: &str| -> Vec<f64> {
            let times = facts["unchanged_seconds"][name].as_array().unwrap();
            times.iter().map(|time| time.as_f64().unwrap()).collect()
        };
        for (name, expected) in
            [("touched", (2, 0, 29)), ("no-op", (4, 0, 19)), ("cold", (2, 0, 5))]
        {
            assert_eq!(alarms(&series(name)), expected, "{name}");
        }
    }

    /// Random numbers with a fixed seed (xorshift64*).
    struct Random(u64);

    impl Random {
        /// In [0, 1).
        fn uniform(&mut self) -> f64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
            let number = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64;
            number / 9_007_199_254_740_992.0
        }

        /// The time of a build of 30 s: log-normal, with an outlier in 20.
        fn time(&mut self, spread: f64) -> f64 {
            let (radius, angle) = (1.0 - self.uniform(), self.uniform());
            let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
            let outlier = if self.uniform() < 0.05 { 1.3 + 0.9 * self.uniform() } else { 1.0 };
            30.0 * (spread * normal).exp() * outlier
        }
    }

    /// The share of trials in percent in which a gate alarms, after ten unchanged runs and two
    /// that are as the judged one.
    fn rate(gate: fn(&[f64], f64) -> bool, spread: f64, slower: f64) -> f64 {
        const TRIALS: u32 = 4000;
        let mut random = Random(20_261_201);
        let mut found = 0;
        for _ in 0..TRIALS {
            let mut times: Vec<f64> = (0..10).map(|_| random.time(spread)).collect();
            times.extend((0..2).map(|_| slower * random.time(spread)));
            found += u32::from(gate(&times, slower * random.time(spread)));
        }
        f64::from(found) * 100.0 / f64::from(TRIALS)
    }

    #[test]
    fn false_alarms_and_misses_next_to_the_former_gate() {
        // spread, false alarms, found at +20 %, +30 %, +50 %: at most, at least, in percent
        for (spread, alarms, found) in [
            (0.03, 0.1, [97.0, 99.0, 99.0]),
            (0.06, 0.5, [70.0, 95.0, 99.0]),
            (0.12, 4.0, [35.0, 65.0, 93.0]),
            (0.20, 8.0, [22.0, 40.0, 70.0]),
        ] {
            let (now, then) = (rate(gate, spread, 1.0), rate(former, spread, 1.0));
            assert!(now <= alarms && now < then / 2.0, "{spread}: {now} % instead of {then} %");
            for (slower, least) in [1.2, 1.3, 1.5].into_iter().zip(found) {
                let share = rate(gate, spread, slower);
                assert!(share >= least, "{spread}: {share} % of {slower}");
            }
        }
        // The former gate, on the same series.
        assert!(rate(former, 0.06, 1.0) > 3.0 && rate(former, 0.06, 1.2) < 60.0);
    }

    #[test]
    fn the_noise_says_what_is_found() {
        let trend = |spread: f64| {
            let usual = Usual { runs: 10, median: 30.0, range: (20.0, 40.0), spread };
            Trend { limit: GATE, comparable: 12, usual: Some(usual), slower: 0 }
        };
        assert_eq!(trend(0.06).noise(), None);
        for spread in [0.15, 0.2] {
            let least = trend(spread).noise().unwrap();
            // Without outliers and with a known median, it would be 80.
            let share = rate(gate, spread, 1.0 + least / 100.0);
            assert!((70.0..90.0).contains(&share), "{spread}: {share} % of +{least} %");
        }
    }
}
