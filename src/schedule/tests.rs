use super::*;

fn epoch(epoch: usize, epochs: usize) -> Position {
    Position { epoch, step: epoch * 3, epochs, steps_per_epoch: 3 }
}

fn close(got: f64, wanted: f64) {
    assert!((got - wanted).abs() <= 1e-15, "{got} is not {wanted}");
}

/// Rates at epochs of a run of so many.
fn rates(schedule: &Schedule, epochs: usize, wanted: &[(usize, f64)]) {
    schedule.check_for(epochs, 3).unwrap();
    for &(e, wanted) in wanted {
        let got = schedule.rate(epoch(e, epochs));
        assert!((got - wanted).abs() <= 1e-15, "{}: {got} is not {wanted} at epoch {e}", schedule.shape().name());
    }
}

/// A line from `lr` down, and what it was asked for.
#[derive(Debug)]
struct Line;

impl Curve for Line {
    fn rate(&self, epoch: f64, step: f64, total: f64, lr: f64) -> f64 {
        lr * (1.0 - epoch / total) + step * 1e-6
    }

    fn text(&self) -> String {
        "lr*(1 - epoch/total) + step*1e-6".to_owned()
    }
}

#[test]
fn each_shape_at_0_at_its_boundaries_and_at_the_last_epoch() {
    rates(&Schedule::fixed(0.3), 7, &[(0, 0.3), (6, 0.3)]);
    rates(&Schedule::plateau(0.3), 7, &[(0, 0.3), (6, 0.3)]);
    rates(&Schedule::step(0.1, 0.5, 10), 30, &[(0, 0.1), (9, 0.1), (10, 0.05), (19, 0.05), (20, 0.025), (29, 0.025)]);
    rates(&Schedule::exponential(1.0, 0.5), 4, &[(0, 1.0), (1, 0.5), (3, 0.125)]);
    // cos(0) = 1, cos(π/2) = 0, cos(3π/4) = −√½
    let low = 0.2 + 0.4 * (1.0 - 0.5f64.sqrt());
    rates(&Schedule::cosine(1.0).with("min", 0.2), 4, &[(0, 1.0), (2, 0.6), (3, low)]);
    // cycles of 4, 4: each begins at the full rate and ends a quarter before min
    rates(&Schedule::cosine_restarts(1.0, 4, 1).with("min", 0.2), 8, &[(0, 1.0), (2, 0.6), (3, low), (4, 1.0), (6, 0.6), (7, low)]);
    // cycles of 2, 4, 8: restarts at 2 and 6, the half of the third at 10
    rates(&Schedule::cosine_restarts(1.0, 2, 2), 14, &[(0, 1.0), (1, 0.5), (2, 1.0), (4, 0.5), (6, 1.0), (10, 0.5)]);
    // 0.2 + 0.8·(1 − t/4)²: 1, 0.2 + 0.8·9/16, 0.2 + 0.8/4, 0.2 + 0.8/16
    rates(&Schedule::polynomial(1.0, 2.0).with("min", 0.2), 4, &[(0, 1.0), (1, 0.65), (2, 0.4), (3, 0.25)]);
    // the peak is at 0.5·10 − 1 = 4: from 0.1 by 0.9/4 an epoch; down to 0.1/10 at 9 by 0.99/5
    let cycle = Schedule::one_cycle(1.0).with("pct_start", 0.5).with("div", 10.0).with("final_div", 10.0);
    let line = cycle.clone().with("anneal", "linear");
    rates(&line, 10, &[(0, 0.1), (1, 0.325), (4, 1.0), (5, 0.802), (9, 0.01)]);
    // along the cosine: halfway between 0.1 and 1 at 2
    rates(&cycle, 10, &[(0, 0.1), (2, 0.55), (4, 1.0), (9, 0.01)]);
}

#[test]
fn runs_of_one_unit_have_a_rate() {
    for info in TABLE {
        let all = ["every", "rate"].iter().filter(|key| info.keys.iter().any(|hyper| hyper.name == **key));
        let schedule = all.fold(Schedule::new(0.1, Shape::of(info)), |schedule, key| schedule.with(key, 1.0));
        schedule.check().unwrap();
        for (e, epochs) in [(0, 0), (0, 1), (0, 2), (1, 2), (5, 2)] {
            let rate = schedule.rate(epoch(e, epochs));
            assert!((0.0..=0.1).contains(&rate), "{}: {rate} at {e} of {epochs}", info.name);
        }
    }
    // a peak that falls on epoch 0: 0.1·10 − 1
    for anneal in ["cos", "linear"] {
        rates(&Schedule::one_cycle(1.0).with("pct_start", 0.1).with("anneal", anneal), 10, &[(0, 1.0)]);
    }
}

#[test]
fn each_constructor_makes_its_row() {
    let made = [
        Schedule::fixed(0.1),
        Schedule::step(0.1, 0.5, 2),
        Schedule::exponential(0.1, 0.9),
        Schedule::cosine(0.1),
        Schedule::cosine_restarts(0.1, 2, 2),
        Schedule::polynomial(0.1, 1.0),
        Schedule::one_cycle(0.1),
        Schedule::plateau(0.1),
    ];
    let names: Vec<String> = made.iter().map(|schedule| schedule.shape().name()).collect();
    assert_eq!(names, TABLE.iter().map(|info| info.name).collect::<Vec<_>>());
    made.iter().for_each(|schedule| schedule.check().unwrap());
}

#[test]
fn names_in_the_table_are_unique_and_defaults_are_in_range() {
    for (i, info) in TABLE.iter().enumerate() {
        assert!(TABLE[..i].iter().all(|other| other.name != info.name), "{}", info.name);
        let mut names: Vec<&str> = info.keys.iter().map(|key| key.name).chain(info.words.iter().map(|word| word.name)).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(info.keys.iter().all(|key| key.default.is_nan() || key.range.holds(key.default)), "{}", info.name);
    }
}

#[test]
fn warmup_starts_above_0_and_hands_over_at_the_full_rate() {
    // 10 % of 20 epochs: 2 of warm-up, at ½ and 1; the cosine then has T = 18
    let schedule = Schedule::cosine(1.0).warmup(0.1);
    rates(&schedule, 20, &[(0, 0.5), (1, 1.0), (2, 1.0), (11, 0.5)]);
    // 7 % of 100 are 7, though 0.07 · 100 is 7.000000000000001 in binary
    rates(&Schedule::fixed(1.0).warmup(0.07), 100, &[(0, 1.0 / 7.0), (6, 1.0)]);
    let counted = Schedule::fixed(0.3).warmup_of(Warmup::Count(3));
    rates(&counted, 5, &[(0, 0.1), (1, 0.2), (2, 0.3), (3, 0.3)]);
    // 2 of warm-up, then the first drop 2 epochs later
    rates(&Schedule::step(1.0, 0.5, 2).warmup_of(Warmup::Count(2)), 6, &[(0, 0.5), (1, 1.0), (3, 1.0), (4, 0.5), (5, 0.5)]);
}

#[test]
fn the_unit_decides_whether_the_rate_is_held_within_an_epoch() {
    let at = |step| Position { epoch: step / 4, step, epochs: 2, steps_per_epoch: 4 };
    let by_epoch = Schedule::exponential(1.0, 0.5);
    assert_eq!((by_epoch.rate(at(0)), by_epoch.rate(at(3)), by_epoch.rate(at(4))), (1.0, 1.0, 0.5));
    let by_step = by_epoch.by_step();
    assert_eq!((by_step.rate(at(0)), by_step.rate(at(3)), by_step.rate(at(7))), (1.0, 0.125, 1.0 / 128.0));
}

#[test]
fn phases_begin_anew_and_have_a_length_of_their_own() {
    // 4 epochs at 1, then a cosine of T = 4 from 0.5, then a straight line of T = 2 from 0.1
    let schedule = Schedule::phases([
        (Schedule::fixed(1.0).warmup_of(Warmup::Count(2)), Length::Share(0.4)),
        (Schedule::cosine(0.5), Length::Count(4)),
        (Schedule::polynomial(0.1, 1.0), Length::Rest),
    ]);
    let wanted = [(0, 0.5), (1, 1.0), (3, 1.0), (4, 0.5), (6, 0.25), (8, 0.1), (9, 0.05)];
    rates(&schedule, 10, &wanted);
    // a member's rate of a half halves all of them
    let halved = wanted.map(|(e, rate)| (e, rate / 2.0));
    rates(&schedule.clone().with_lr(0.5), 10, &halved);
    // a warm-up before all of them takes its epochs first
    rates(&schedule.warmup_of(Warmup::Count(2)), 12, &[(0, 0.5), (1, 1.0), (2, 0.5), (3, 1.0), (6, 1.0 / 2.0), (10, 0.1), (11, 0.05)]);
    // thirds of 100: the ends are at 33.3 and 66.7, rounded up
    let third = |lr| (Schedule::fixed(lr), Length::Share(1.0 / 3.0));
    rates(&Schedule::phases([third(3.0), third(2.0), third(1.0)]), 100, &[(33, 3.0), (34, 2.0), (66, 2.0), (67, 1.0), (99, 1.0)]);
}

#[test]
fn a_curve_of_ones_own_says_the_rate_itself() {
    // epoch 1 of 4 with 3 steps each
    rates(&Schedule::custom(0.1, Line), 4, &[(0, 0.1), (1, 0.075 + 3e-6)]);
    // after a warm-up of 2, total is 4
    rates(&Schedule::custom(0.1, Line).warmup_of(Warmup::Count(2)), 6, &[(0, 0.05), (2, 0.1), (3, 0.075 + 3e-6)]);
    // by steps, epoch counts whole ones: step 7 of 12 is in epoch 2
    let at = Position { epoch: 2, step: 7, epochs: 4, steps_per_epoch: 3 };
    close(Schedule::custom(0.1, Line).by_step().rate(at), 0.1 * (1.0 - 2.0 / 12.0) + 7e-6);
}

#[test]
fn what_only_shows_with_the_length_of_the_run_is_told_before_it() {
    #[derive(Debug)]
    struct Falls;
    impl Curve for Falls {
        fn rate(&self, epoch: f64, _: f64, _: f64, _: f64) -> f64 {
            0.2 - 0.1 * epoch
        }
        fn text(&self) -> String {
            "0.2 - 0.1*epoch".to_owned()
        }
    }
    Schedule::custom(0.1, Falls).check_for(3, 10).unwrap();
    let counts = |a, b| Schedule::phases([(Schedule::fixed(0.1), Length::Count(a)), (Schedule::cosine(0.1), b)]);
    counts(3, Length::Count(7)).check_for(10, 5).unwrap();
    counts(3, Length::Share(0.7)).check_for(10, 5).unwrap();
    for (schedule, wanted) in [
        (Schedule::custom(0.1, Falls), "[schedule] 0.2 - 0.1*epoch is -0.1"),
        (counts(3, Length::Count(8)), "the phases take 11 of 10 epochs: shorten them"),
        (counts(3, Length::Count(6)), "the phases take 9 of 10 epochs: let the last one last to the end"),
        (counts(10, Length::Rest), "the phases take 10 of 10 epochs: shorten them"),
        (counts(3, Length::Count(48)).by_step(), "the phases take 51 of 50 steps"),
        (counts(3, Length::Rest).warmup_of(Warmup::Count(7)), "the phases take 3 of 3 epochs"),
        (
            Schedule::phases([(Schedule::fixed(0.1).warmup_of(Warmup::Count(4)), Length::Count(3)), (Schedule::fixed(0.1), Length::Rest)]),
            "phase 1 has 3 epochs, and a warm-up of 4",
        ),
        (
            Schedule::phases([(counts(5, Length::Count(5)), Length::Share(0.6)), (Schedule::fixed(0.1), Length::Rest)]),
            "take 10 of 6 epochs",
        ),
    ] {
        let message = schedule.check_for(10, 5).unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn senseless_numbers_are_named() {
    let phase = |schedule, length| Schedule::phases([(schedule, length), (Schedule::fixed(0.1), Length::Rest)]);
    for (schedule, wanted) in [
        (Schedule::fixed(-1.0), "the learning rate must be a positive number (got -1)"),
        (Schedule::fixed(f64::NAN), "(got NaN)"),
        (Schedule::step(1.0, 0.5, 0), "[schedule] every must be a whole number of at least 1 (got 0)"),
        (Schedule::new(1.0, Shape::of(named("step").unwrap())), "[schedule] step needs `every`, how many epochs"),
        (Schedule::exponential(1.0, 0.0), "[schedule] rate"),
        (Schedule::exponential(1.0, f64::NAN), "[schedule] exponential needs `rate`"),
        (Schedule::cosine(1.0).warmup(1.5), "[schedule] warmup"),
        (Schedule::cosine(1.0).with("min", 2.0), "[schedule] min must not be above the learning rate (got 2 with lr = 1)"),
        (Schedule::cosine(1.0).with("nim", 0.0), "[schedule] cosine has no `nim`: it has min"),
        (Schedule::fixed(1.0).with("min", 0.0), "[schedule] fixed has no `min`: it has none"),
        (Schedule::one_cycle(1.0).with("anneal", "cosine"), "[schedule] anneal must be cos or linear (got \"cosine\")"),
        (Schedule::one_cycle(1.0).with("anneal", 1.0), "[schedule] anneal must be cos or linear (got 1)"),
        (Schedule::one_cycle(1.0).with("div", "big"), "[schedule] div must be a number above 0 (got \"big\")"),
        (Schedule::one_cycle(1.0).with("pct_start", 1.0), "[schedule] pct_start must be"),
        (Schedule::custom(1.0, Line).with("min", 0.0), "has no `min`"),
        (Schedule::phases([]), "phases must be at least one"),
        (phase(Schedule::fixed(0.1), Length::Rest), "phase 1: only the last phase can last to the end"),
        (phase(Schedule::fixed(0.1), Length::Share(1.5)), "phase 1: the length as a share"),
        (phase(Schedule::fixed(0.1), Length::Count(0)), "phase 1: the length must be at least 1"),
        (phase(Schedule::fixed(0.1).by_step(), Length::Count(1)), "phase 1: the unit is that of the whole"),
        (phase(Schedule::plateau(0.1), Length::Count(1)), "phase 1: plateau can not be a phase"),
        (phase(Schedule::exponential(0.1, 2.0), Length::Count(1)), "phase 1: [schedule] rate must be"),
        (Schedule::phases([0.6, 0.6].map(|share| (Schedule::fixed(0.1), Length::Share(share)))), "at most 1 together (got 1.2)"),
    ] {
        let message = schedule.check().unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
    }
}
