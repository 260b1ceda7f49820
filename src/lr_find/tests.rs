use super::*;
use crate::rng::{Purpose, Rng};

/// Where the made-up curves are steepest.
const STEEPEST: f64 = 3e-3;

/// Falls from 2.3 to 0.3 as ln rate grows, with the steepest slope at [`STEEPEST`] (a logistic function: `−2·k/4` there), and explodes
/// above 1. The noise is normal, of this deviation where the loss is 1 and in proportion to the loss.
fn losses(rates: &[f64], k: f64, noise: f64, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed, Purpose::Synthetic, 0);
    let clean = |lr: f64| 0.3 + 2.0 / (1.0 + (lr / STEEPEST).powf(k)) + lr.powi(3);
    rates.iter().map(|&lr| clean(lr) * (1.0 + noise * rng.normal())).collect()
}

fn decades_off(rate: f64) -> f64 {
    (rate / STEEPEST).log10().abs()
}

fn sweep(of: impl Fn(f64) -> f64) -> Curve {
    let rates = Settings::default().rates();
    let losses: Vec<f64> = rates.iter().map(|&lr| of(lr)).collect();
    Curve::new(&rates, &losses)
}

#[test]
fn rates_go_from_the_first_to_the_last_by_equal_factors() {
    // 100 000 000 in 4 steps: 100 each
    let rates = Settings { lo: 1e-7, hi: 10.0, steps: 5 }.rates();
    for (got, wanted) in rates.iter().zip([1e-7, 1e-5, 1e-3, 1e-1, 10.0]) {
        assert!((got / wanted - 1.0).abs() < 1e-12, "{got} is not {wanted}");
    }
    assert_eq!(Settings::default().rates().len(), 100);
    for (settings, wanted) in [
        (Settings { lo: 0.0, ..Settings::default() }, "the first rate must be a number above 0 (got 0e0)"),
        (Settings { hi: 1e-8, ..Settings::default() }, "the last rate must be above the first (got 1e-8 with the first at 1e-7)"),
        (Settings { hi: f64::NAN, ..Settings::default() }, "the last rate"),
        (Settings { steps: 14, ..Settings::default() }, "at least 15 (got 14)"),
    ] {
        let message = settings.check().unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
    }
    assert!(Settings::default().check().is_ok());
}

#[test]
fn the_average_is_free_of_its_start() {
    // 0.02·3/0.02; (0.98·0.06 + 0.02·5)/(1 − 0.98²) = 0.1588/0.0396
    let curve = Curve::new(&[0.1, 0.2], &[3.0, 5.0]);
    assert!((curve.smoothed[0] - 3.0).abs() < 1e-14);
    assert!((curve.smoothed[1] - 0.1588 / 0.0396).abs() < 1e-13);
    assert!(!curve.stopped_early);
}

#[test]
fn the_curve_ends_where_the_loss_explodes_or_is_not_finite() {
    let rates: Vec<f64> = (1..=40).map(f64::from).collect();
    let ends = |at: usize, value: f64| {
        let losses: Vec<f64> = (0..40).map(|i| if i >= at { value } else { 1.0 }).collect();
        let curve = Curve::new(&rates, &losses);
        assert_eq!((curve.rates.len(), curve.losses.len()), (curve.smoothed.len(), curve.smoothed.len()));
        (curve.losses.len(), curve.stopped_early)
    };
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(ends(0, value), (0, true));
        assert_eq!(ends(20, value), (20, true));
        assert_eq!(ends(40, value), (40, false));
    }
    // after 20 ones, each of weight w = 0.02·0.98^a: the average is 1 + 999·0.02/(1 − 0.98²¹) = 58.8 at once; the point stays
    assert_eq!(ends(20, 1000.0), (21, true));
    // 3.9 of weight 1 is never 4 × the best
    assert_eq!(ends(1, 3.9), (40, false));
    // a negative loss explodes as far above its best: −1 + 3
    assert_eq!(Curve::new(&rates, &[-1.0; 40]).losses.len(), 40);
    let up: Vec<f64> = (0..40).map(|i| if i < 20 { -1.0 } else { 1000.0 }).collect();
    assert_eq!(Curve::new(&rates, &up).losses.len(), 21);
    // the last loss of all explodes: nothing was cut
    assert_eq!(ends(39, 1e6), (40, false));
}

#[test]
fn the_steepest_place_is_found_in_noise() {
    for settings in [Settings::default(), Settings { steps: 300, ..Settings::default() }] {
        let rates = settings.rates();
        for seed in 0..200 {
            let curve = Curve::new(&rates, &losses(&rates, 2.0, 0.1, seed));
            let suggestion = suggest(&curve).unwrap();
            let off = decades_off(suggestion.steepest);
            assert!(off <= 0.3, "seed {seed}: {} is {off:.2} decades off", suggestion.steepest);
            assert!(suggestion.certainty > 5.0, "seed {seed}: {}", suggestion.certainty);
        }
    }
}

/// A fall over two decades: its slope hardly changes near the steepest place, and noise decides more.
#[test]
fn in_a_gentle_fall_the_place_is_right_within_a_decade() {
    let rates = Settings::default().rates();
    let off = (0..200).map(|seed| decades_off(suggest(&Curve::new(&rates, &losses(&rates, 1.0, 0.1, seed))).unwrap().steepest));
    let off: Vec<f64> = off.collect();
    let (near, worst) = (off.iter().filter(|off| **off <= 0.3).count(), off.iter().copied().fold(0.0, f64::max));
    assert!(near >= 150 && worst < 1.0);
}

#[test]
fn a_fall_after_the_explosion_is_not_the_steepest() {
    // after the fall around 3e-3 the loss jumps to 5 at 0.3 and comes down to 3 again, faster than it ever fell
    let rates = Settings::default().rates();
    let clean = losses(&rates, 1.0, 0.0, 0);
    let after = |lr: f64| 3.0f64.max(5.0 - (lr / 0.3).ln());
    let jumps: Vec<f64> = rates.iter().zip(clean).map(|(&lr, loss)| if lr < 0.3 { loss } else { after(lr) }).collect();
    let suggestion = suggest(&Curve::new(&rates, &jumps)).unwrap();
    assert!(decades_off(suggestion.steepest) < 0.1, "{suggestion:?}");
}

/// What the conventions warn of: Lightning's slope over the rate itself, and the slope of the average.
#[test]
fn the_slope_over_the_rate_and_the_slope_of_the_average_are_traps() {
    let rates = Settings::default().rates();
    let steepest = |x: &[f64], y: &[f64]| {
        let slope = |i: &usize| (y[i + 1] - y[i - 1]) / (x[i + 1] - x[i - 1]);
        let least = (10..y.len().min(x.len()) - 6).min_by(|a, b| slope(a).total_cmp(&slope(b)));
        rates[least.unwrap()]
    };
    let logs: Vec<f64> = rates.iter().map(|lr| lr.ln()).collect();
    for seed in 0..200 {
        let curve = Curve::new(&rates, &losses(&rates, 2.0, 0.1, seed));
        let off = STEEPEST / steepest(&rates, &curve.losses);
        assert!(off > 100.0, "seed {seed}: the slope over the rate is only {off} × too low");
    }
    // without noise the average is late, too
    let clean = Curve::new(&rates, &losses(&rates, 2.0, 0.0, 0));
    let late = steepest(&logs, &clean.smoothed) / STEEPEST;
    assert!(late > 2.0, "{late}");
}

#[test]
fn noise_alone_is_not_certain() {
    let rates = Settings::default().rates();
    let mut certain: Vec<f64> = (0..200)
        .map(|seed| {
            let mut rng = Rng::new(seed, Purpose::Synthetic, 1);
            let losses: Vec<f64> = rates.iter().map(|_| 2.3 + 0.1 * rng.normal()).collect();
            suggest(&Curve::new(&rates, &losses)).map_or(0.0, |suggestion| suggestion.certainty)
        })
        .collect();
    certain.sort_by(f64::total_cmp);
    assert!(certain[199] < 5.0);
}

#[test]
fn the_slope_is_that_of_the_line() {
    // 2 − 0.25·ln rate everywhere: the slope is −0.25 and the variance 0
    let suggestion = suggest(&sweep(|lr| 2.0 - 0.25 * lr.ln())).unwrap();
    assert!((suggestion.slope + 0.25).abs() < 1e-10);
    assert!(suggestion.certainty > 1e6);
}

#[test]
fn what_can_not_be_suggested_is_told_with_the_reason() {
    let rates = Settings::default().rates();
    let few = |count: usize| Curve::new(&rates[..count], &vec![1.0; count]);
    for (curve, wanted) in [
        // 1e8^(10/99) = 6.4 and 1e8^(94/99) = 3.9e7 times the first
        (sweep(|_| 1.0), "falls nowhere from 6.4e-7 to 3.9e0"),
        (sweep(|lr| 1.0 + lr.ln() * 0.01), "falls nowhere"),
        (sweep(|_| 0.0), "falls nowhere"),
        (few(14), "there are losses of 14 steps, and 15 are needed: take more steps"),
        (few(0), "there are losses of 0 steps"),
        (sweep(|_| f64::NAN), "not finite after 0 steps, and 15 are needed: start from a lower rate"),
        (sweep(|lr| if lr > 1e-6 { f64::NAN } else { 1.0 }), "exploded or was not finite after"),
    ] {
        let message = suggest(&curve).unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
        assert!(!sketch(&curve, 40, 8).is_empty());
    }
    // one more is enough, with a line through the nine that the trimming leaves: −0.1·ln rate
    let falling: Vec<f64> = rates.iter().map(|lr| -0.1 * lr.ln()).collect();
    let least = suggest(&Curve::new(&rates[..15], &falling)).unwrap();
    assert!((least.slope + 0.1).abs() < 1e-10);
    // points 1 to 9: the middle is the fifth
    assert!((least.steepest / rates[5] - 1.0).abs() < 1e-12);
}

/// Wanted: what `fastai.callback.schedule.valley` of fastai 2.8.12 gives for these lists.
#[test]
fn the_valley_is_fastais() {
    let countdown: Vec<f64> = (1..=30).rev().map(f64::from).collect();
    for (losses, wanted) in [
        (&[9.0, 8.0, 9.0, 7.0, 8.0, 6.0, 7.0, 5.0, 6.0, 4.0, 5.0, 3.0, 4.0, 2.0][..], 8),
        (&[1.0, 2.0, 3.0, 2.5, 2.0, 4.0, 1.5, 1.2, 7.0, 8.0], 3),
        (&[1.0, 9.0, 8.0, 2.0, 7.0, 3.0, 6.0, 5.0, 4.0, 4.0, 4.0, 10.0, 3.0, 2.0], 8),
        (&[5.0, 4.0, 3.0, 2.0, 1.0], 0),
        (&countdown, 14),
    ] {
        assert_eq!(valley(losses), Some(wanted), "{losses:?}");
    }
    // fastai takes index −1, the last point: a fault of its own
    assert_eq!(valley(&[2.0, 1.0]), Some(0));
    assert_eq!(valley(&[1.0, 1.0, 2.0]), None);
    assert_eq!(valley(&[]), None);
}

#[test]
fn the_minimum_is_that_of_the_smoothed_loss() {
    // falls to a third of the way, then stands still: the average goes on falling, to the last point that is looked at
    let rates = Settings::default().rates();
    let curve = sweep(|lr| if lr < 1e-4 { 2.0 } else { 1.0 });
    let suggestion = suggest(&curve).unwrap();
    assert!((suggestion.minimum_tenth / (rates[94] / 10.0) - 1.0).abs() < 1e-12);
}

#[test]
fn the_sketch_has_its_size_and_its_marks() {
    let rates = Settings::default().rates();
    let curve = Curve::new(&rates, &losses(&rates, 2.0, 0.1, 3));
    let text = sketch(&curve, 60, 12);
    let lines: Vec<&str> = text.lines().collect();
    // the plot, its axis, the rates, three suggestions
    assert_eq!(lines.len(), 12 + 2 + 3);
    assert!(lines.iter().all(|line| line.len() <= LABELLED + 60 && line.is_ascii()), "{text}");
    assert!(lines[13].contains("1e-7"), "{text}");
    // log10(3e-3/1e-7) = 4.48 of the decades that the curve has
    let decades = (curve.rates[curve.rates.len() - 1] / 1e-7).log10();
    let mark = lines[14].find('^').unwrap() - LABELLED;
    let wanted = 4.48 / decades * 59.0;
    assert!((mark as f64 - wanted).abs() <= 0.3 / decades * 59.0 + 1.0, "{mark}, not near {wanted}\n{text}");
    // as small as can be, and a single point
    assert_eq!(sketch(&curve, 0, 0).lines().count(), 4 + 2 + 3);
    assert_eq!(sketch(&Curve::new(&[0.1], &[1.0]), 20, 4).matches('*').count(), 1);
    assert_eq!(sketch(&Curve::new(&[], &[]), 20, 4), "there is no finite loss to draw\n");
}

/// The margin left of the plot.
const LABELLED: usize = 11;

#[test]
fn csv_gives_back_every_bit() {
    let curve = Curve::new(&[1e-7, 0.1], &[1.0 / 3.0, 0.2]);
    let text = csv(&curve);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("lr,loss,smoothed"));
    for (i, line) in lines.enumerate() {
        let read: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        assert_eq!(read, [curve.rates[i], curve.losses[i], curve.smoothed[i]]);
    }
    assert!(text.starts_with("lr,loss,smoothed\n1e-7,0.3333333333333333,"), "{text}");
}
