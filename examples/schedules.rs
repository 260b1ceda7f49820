//! The same job under several schedules, and what the rate was at the start, in the middle and at the end.
//! `cargo run --release --example schedules`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::schedule::{Length, Schedule};
use gradus::train::Stop;
use gradus::{Dataset, Device, Loss, Model, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 3 } else { 60 };
    let (train, valid) = Dataset::spirals(3, 900, 7).split(0.8);
    let model = Model::input(2).dense(64).relu().dense(64).relu().dense(3);

    let lr = 1e-2;
    let all = [
        ("fixed", Schedule::fixed(lr)),
        ("step", Schedule::step(lr, 0.3, epochs / 3)),
        ("exponential", Schedule::exponential(lr, 0.95)),
        ("cosine, warm-up", Schedule::cosine(lr).warmup(0.1)),
        ("one cycle, by step", Schedule::one_cycle(2.0 * lr).by_step()),
        ("plateau", Schedule::plateau(lr).with("patience", 4.0).with("factor", 0.3)),
        ("fixed, then cosine", Schedule::phases([(Schedule::fixed(lr), Length::Share(0.5)), (Schedule::cosine(lr), Length::Rest)])),
    ];
    println!("schedule              first     middle    last      val loss");
    for (name, schedule) in all {
        let mut training = Trainer::new(model.clone(), Loss::cross_entropy()).schedule(schedule).batch(32).seed(7).build(Device::Auto)?;
        let report = training.fit(&train, &valid, Stop::after(epochs))?;
        let records = &report.first().epochs;
        let at = |i: usize| records[i].lr;
        let loss = training.evaluate(&valid)?[0].loss;
        println!("{name:20}  {:8.1e}  {:8.1e}  {:8.1e}  {loss:8.4}", at(0), at(records.len() / 2), at(records.len() - 1));
    }
    Ok(())
}
