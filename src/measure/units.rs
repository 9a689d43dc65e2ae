//! Times, percentages and shares, as people write and read them.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

/// The maximum time of a run in seconds: thirty years.
pub(crate) const LONGEST: f64 = 1e9;

/// The time limit of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget(pub Duration);

impl FromStr for Budget {
    type Err = String;

    /// `30s`, `1m30s`, `1.5 hours`: the friendly format of jiff. The unit is required.
    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected a time such as 30s, 1m30s or 500ms";
        let parsed: SignedDuration = text.parse().map_err(|_| EXPECTED.to_owned())?;
        let time = Duration::try_from(parsed).map_err(|_| EXPECTED.to_owned())?;
        if time.is_zero() {
            Err("the budget must be more than zero".into())
        } else {
            Ok(Self(time))
        }
    }
}

/// How much longer than usual a build may take, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percent(pub f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim();
        let valid = |number: &f64| number.is_finite() && *number >= 0.0;
        number
            .parse()
            .ok()
            .filter(valid)
            .map(Self)
            .ok_or_else(|| "expected a percentage such as 20%".into())
    }
}

/// Displays seconds, with more digits for short times, and minutes for long ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seconds(pub f64);

impl Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds) = *self;
        match seconds {
            ..0.9995 => write!(out, "{seconds:.3} s"),
            ..99.995 => write!(out, "{seconds:.2} s"),
            _ => write!(
                out,
                "{} min {:04.1} s",
                (tenths(seconds) / 600.0).floor(),
                tenths(seconds) % 600.0 / 10.0
            ),
        }
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round()
}

/// A share of the steps: `3/5` or `60%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// At most `whole`.
    part: u32,
    /// Never 0.
    whole: u32,
    is_percentage: bool,
}

impl Share {
    /// The maximum of each number.
    const LARGEST: u32 = 10_000;

    /// Whether `part` of `whole` is at least this share. All of none is.
    pub(crate) fn is_reached(self, part: usize, whole: usize) -> bool {
        // 128 bits hold every product.
        part as u128 * u128::from(self.whole) >= whole as u128 * u128::from(self.part)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = match text.strip_suffix('%') {
            Some(percent) => Some((percent.trim_end(), "100")),
            None => text.split_once('/'),
        };
        let number = |text: &str| text.parse().ok().filter(|number| *number <= Self::LARGEST);
        parts
            .and_then(|(part, whole)| Some((number(part)?, number(whole)?)))
            .filter(|(part, whole)| *whole > 0 && part <= whole)
            .map(|(part, whole)| Self { part, whole, is_percentage: text.ends_with('%') })
            .ok_or_else(|| "expected a share such as 3/5 or 60%".into())
    }
}

impl Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, whole, is_percentage } = self;
        if *is_percentage { write!(out, "{part} %") } else { write!(out, "{part}/{whole}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_percentages_as_people_write_them() {
        for (text, seconds) in
            [("30s", 30.0), ("1m30s", 90.0), ("1m 30s", 90.0), ("500ms", 0.5), ("1.5h", 5400.0)]
        {
            assert_eq!(text.parse(), Ok(Budget(Duration::from_secs_f64(seconds))), "{text}");
        }
        for text in ["", "30", "0s", "-1s", "soon", "1y"] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
        for (text, percent) in [("20%", 20.0), ("20", 20.0), ("0%", 0.0), ("12.5 %", 12.5)] {
            assert_eq!(text.parse(), Ok(Percent(percent)), "{text}");
        }
        for text in ["", "%", "-1%", "inf", "NaN", "a lot"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_is_exact() {
        for (text, part, whole, reached) in [
            ("3/5", 3, 5, true),
            ("3/5", 2, 5, false),
            ("60%", 3, 5, true),
            ("61 %", 3, 5, false),
            ("1/3", 33, 100, false),
            ("1/3", 34, 100, true),
            ("100%", 0, 0, true),
            ("0/5", 0, 5, true),
        ] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.is_reached(part, whole), reached, "{text} {part}/{whole}");
        }
        for text in ["", "3", "6/5", "3/0", "101%", "-1/5", "3/5%", "a/b", "99999/99999", "1.5%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        let shown = |text: &str| text.parse::<Share>().unwrap().to_string();
        assert_eq!((shown("60%"), shown("3/5")), ("60 %".into(), "3/5".into()));
    }

    #[test]
    fn times_are_shown_with_the_digits_that_matter() {
        for (seconds, shown) in [
            (0.1234, "0.123 s"),
            (9.996, "10.00 s"),
            (31.25, "31.25 s"),
            (99.999, "1 min 40.0 s"),
            (3599.96, "60 min 00.0 s"),
        ] {
            assert_eq!(Seconds(seconds).to_string(), shown);
        }
    }
}
