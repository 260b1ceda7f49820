//! Which range an axis has, where its ticks are, and how numbers are written there.

/// Beyond this a span would overflow: such a number has no place on an axis.
const LARGEST: f64 = 1e300;

/// A range with ticks. Everything in it is in the axis' own measure: the number itself, or its logarithm to the base of 10.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) log: bool,
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) minor: Vec<f64>,
}

/// The place of a number, if it has one.
pub(super) fn place(value: f64, log: bool) -> Option<f64> {
    let there = value.is_finite() && value.abs() <= LARGEST && (!log || value > 0.0);
    there.then(|| if log { value.log10() } else { value })
}

impl Axis {
    /// Around all values, with a share of the span to spare at both ends; `None` when there are none.
    pub(super) fn around(values: impl IntoIterator<Item = f64>, log: bool, spare: f64, ticks: usize) -> Option<Axis> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.into_iter().filter_map(|v| place(v, log)) {
            (low, high) = (low.min(v), high.max(v));
        }
        if low > high {
            return None;
        }
        let largest = low.abs().max(high.abs());
        if high - low <= 1e-9 * largest || high == low {
            // a constant: half a decade around it, one around a small whole number, a tenth of it around others
            let half = if log {
                0.5
            } else if low.fract() == 0.0 && largest <= 100.0 {
                1.0
            } else {
                0.1 * largest
            };
            (low, high) = (low - half, high + half);
        } else {
            let more = spare * (high - low);
            (low, high) = (low - more, high + more);
        }
        Some(Axis::new(low, high, log, ticks))
    }

    /// From `low` to `high` in the axis' measure, with about this many ticks.
    pub(super) fn new(low: f64, high: f64, log: bool, ticks: usize) -> Axis {
        let (ticks, minor) = if log { log_ticks(low, high, ticks) } else { (linear_ticks(low, high, ticks), Vec::new()) };
        Axis { low, high, log, ticks, minor }
    }

    /// The same logarithmic axis with ticks at powers of two, about this many; as it is where less than two of them are on it.
    pub(super) fn binary(self, ticks: usize) -> Axis {
        let doubling = 2f64.log10();
        let (first, last) = ((self.low / doubling).ceil(), (self.high / doubling).floor());
        let every = ((last - first + 1.0) / ticks.max(1) as f64).ceil().max(1.0);
        let ticks: Vec<(f64, String)> = steps(first, last, every).into_iter().map(|power| (power * doubling, short_power(power))).collect();
        if ticks.len() < 2 { self } else { Axis { ticks, minor: Vec::new(), ..self } }
    }

    pub(super) fn place(&self, value: f64) -> Option<f64> {
        place(value, self.log)
    }

    pub(super) fn holds(&self, place: f64) -> bool {
        (self.low..=self.high).contains(&place)
    }
}

/// 1, 2 or 5 times a power of ten: the smallest that makes at most half as many steps again as `count`.
fn nice_step(span: f64, count: usize) -> f64 {
    let smallest = span / (1.5 * count.max(1) as f64);
    let power = 10f64.powf(smallest.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|m| m * power >= smallest * 0.999).unwrap_or(10.0);
    factor * power
}

fn steps(low: f64, high: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    // a span far below the size of the numbers has no ticks
    if !(first.is_finite() && last.is_finite()) || last - first > 100.0 {
        return Vec::new();
    }
    (0..=(last - first) as i64).map(|i| (first + i as f64) * step).collect()
}

fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<(f64, String)> {
    let step = nice_step(high - low, count);
    steps(low, high, step).into_iter().map(|v| (v, tick_label(v, step, low.abs().max(high.abs())))).collect()
}

fn tick_label(value: f64, step: f64, largest: f64) -> String {
    if !(1e-4..1e6).contains(&largest) {
        // as many digits as tell neighbours apart
        let digits = (largest.log10().floor() - step.log10().floor()).clamp(0.0, 12.0) as usize;
        return if value == 0.0 { "0".into() } else { exponent(value, digits) };
    }
    let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
    minus(format!("{:.decimals$}", if value.abs() < step / 2.0 { 0.0 } else { value }))
}

/// `1.5e-7`: so many digits after the point at most.
fn exponent(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    let Some((number, power)) = text.split_once('e') else { return text };
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{}e{power}", minus(number.to_string()))
}

/// A number in a running text or a cell: three digits, `1.23e-4` where it is small or large.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if !(1e-2..1e5).contains(&size) {
        return exponent(value, 2);
    }
    let decimals = (2.0 - size.log10().floor()).clamp(0.0, 4.0) as usize;
    let text = format!("{value:.decimals$}");
    minus(if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text })
}

/// Two to a power, written out where that is short.
fn short_power(power: f64) -> String {
    if (0.0..=20.0).contains(&power) { format!("{:.0}", power.exp2()) } else { format!("2^{}", minus(format!("{power:.0}"))) }
}

/// With a true minus sign, which is as wide as a digit.
fn minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// Powers of ten, every so many; within less than two decades 2 and 5 times them too; within less than half a decade steps as on a plain axis.
fn log_ticks(low: f64, high: f64, count: usize) -> (Vec<(f64, String)>, Vec<f64>) {
    let span = high - low;
    if span < 0.5 && low > -290.0 && high < 290.0 {
        let ticks = linear_ticks(10f64.powf(low), 10f64.powf(high), count.min(5));
        return (ticks.into_iter().filter(|(v, _)| *v > 0.0).map(|(v, label)| (v.log10(), label)).collect(), Vec::new());
    }
    let every = ((span / count.max(1) as f64).ceil()).max(1.0);
    let powers = steps(low, high, every);
    let plain = low.floor() >= -3.0 && high.ceil() <= 5.0;
    let label = |factor: f64, power: f64| {
        let decimals = (-power).max(0.0) as usize;
        if plain { format!("{:.decimals$}", factor * 10f64.powf(power)) } else { format!("{factor}e{power}") }
    };
    let between = |factors: &'static [f64]| {
        (low.floor() as i64..=high.ceil() as i64)
            .flat_map(move |power| factors.iter().map(move |f| (*f, power as f64)))
            .filter(|(f, power)| (low..=high).contains(&(power + f.log10())))
    };
    let mut ticks: Vec<(f64, String)> = powers.iter().map(|p| (*p, label(1.0, p.round()))).collect();
    if span < 2.0 {
        ticks.extend(between(&[2.0, 5.0]).map(|(f, power)| (power + f.log10(), label(f, power))));
        ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    // between powers in a row their multiples, between others the powers left out
    let factors: &[f64] = if every > 1.0 { &[1.0] } else { &[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0] };
    let minor = if every > 3.0 { Vec::new() } else { between(factors).map(|(f, p)| p + f.log10()).collect() };
    (ticks, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        for (low, high, log, wanted) in [
            (0.0, 1.0, false, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"][..]),
            (-1.0, 1.0, false, &["−1.0", "−0.5", "0.0", "0.5", "1.0"]),
            (0.0, 32.0, false, &["0", "5", "10", "15", "20", "25", "30"]),
            (0.0, 2e7, false, &["0", "5e6", "1e7", "1.5e7", "2e7"]),
            (-7.0, 1.0, true, &["1e-6", "1e-4", "1e-2", "1e0"]),
            (-3.0, 0.0, true, &["0.001", "0.01", "0.1", "1"]),
            (-1.0, 0.0, true, &["0.1", "0.2", "0.5", "1"]),
            // 10^0.30 = 2.0 to 10^0.48 = 3.02
            (0.3, 0.48, true, &["2.0", "2.2", "2.4", "2.6", "2.8", "3.0"]),
        ] {
            assert_eq!(labels(&Axis::new(low, high, log, 5)), wanted, "{low} to {high}");
        }
    }

    #[test]
    fn a_binary_axis_has_ticks_at_powers_of_two() {
        let axis = |values: [f64; 2]| Axis::around(values, true, 0.02, 10).unwrap().binary(8);
        assert_eq!(labels(&axis([16.0, 256.0])), ["16", "32", "64", "128", "256"]);
        // eleven powers, eight ticks: every other
        assert_eq!(labels(&axis([1.0, 1024.0])), ["1", "4", "16", "64", "256", "1024"]);
        assert_eq!(labels(&axis([0.25, 1.0])), ["2^−2", "2^−1", "1"]);
        // 33 and 40 have no power of two between them: the ticks of a plain axis
        assert!(labels(&axis([33.0, 40.0])).contains(&"36"), "{:?}", axis([33.0, 40.0]));
    }

    #[test]
    fn a_range_is_sensible_whatever_the_values_are() {
        for (values, log) in [
            (&[3.0, 3.0][..], false),
            (&[0.0], false),
            (&[-2.0], false),
            (&[f64::NAN, 1.0, f64::INFINITY], false),
            (&[1e-300, 1e-300], true),
            (&[0.0, -1.0, 1e-3], true),
            (&[1e300, -1e300], false),
            (&[1e16, 1e16 + 2.0], false),
            (&[5e-324, 1e-320], false),
            (&[f64::MAX, f64::MIN, 1.0], false),
        ] {
            let axis = Axis::around(values.iter().copied(), log, 0.05, 5).unwrap();
            assert!(axis.low < axis.high && (axis.high - axis.low).is_finite(), "{values:?}: {axis:?}");
            assert!(
                axis.ticks.len() < 12 && axis.ticks.iter().all(|(v, _)| axis.low - 1e-6 <= *v || axis.holds(*v)),
                "{values:?}: {axis:?}"
            );
        }
        assert!(Axis::around([f64::NAN, f64::INFINITY], false, 0.05, 5).is_none());
        assert!(Axis::around([0.0, -1.0], true, 0.05, 5).is_none());
    }

    #[test]
    fn numbers_are_short() {
        for (value, wanted) in [(3.2e-3, "3.2e-3"), (0.05, "0.05"), (12.0, "12"), (-1234.5, "−1234"), (1e6, "1e6"), (0.0, "0")] {
            assert_eq!(short(value), wanted);
        }
    }
}
