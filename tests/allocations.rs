//! The CPU path asks for no memory while it trains: everything was made before the first step, and the room that products need with it.

use gradus::kernel::{Part, Row, Step};
use gradus::{Adam, Clip, Dataset, Device, Loss, Model, Trainer};

#[test]
fn a_step_on_the_cpu_path_asks_for_no_memory() {
    let (train, _) = Dataset::digits().split(0.8);
    let model = Model::input(64).dense(48).relu().batch_norm().dense(33).tanh().dropout(0.1).dense(10);
    let trainer = Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).clip(Clip::Norm(1.0)).batch(32);
    let training = trainer.build_on(Device::Cpu.open().unwrap().with_threads(1)).unwrap();
    let mut first = training.first_step(&train).unwrap();
    let mut table = Step::table(1);
    for number in 0..20 {
        Step::push(&mut table, &Row { rows: 32, start: 0, slot: 0, number, part: Part::WHOLE, rates: &[[1e-3, 1.0, 1.0, 32.0]] });
    }
    first.executor.run(first.program, &table).unwrap();
    let asked = allocation_counter::measure(|| first.executor.run(first.program, &table).unwrap());
    assert_eq!((asked.count_total, asked.bytes_total), (0, 0));
}
