//! A short soak: memory is flat over thousands of steps, on the host and on each device. `cargo bench --bench soak` is the long one.

use gradus::train::{Checkpoints, Event, Every, Stop};
use gradus::{Clip, Dataset, Loss, Model, Trainer};

#[path = "soak/memory.rs"]
mod memory;

use memory::{Reading, Watched, faults};

/// Alone in its binary: others' memory would be counted, too.
#[test]
fn memory_is_flat_over_thousands_of_steps() {
    #[cfg(feature = "gpu")]
    let adapters = Watched::adapters();
    #[cfg(not(feature = "gpu"))]
    let adapters = Vec::new();
    let (train, none) = Dataset::digits().split(1.0);
    for watched in std::iter::once(Watched::named("cpu").unwrap()).chain(adapters) {
        let name = watched.device.info().to_string();
        let model = Model::input(64).dense(16).relu().dense(10);
        let trainer = Trainer::new(model, Loss::cross_entropy()).clip(Clip::Norm(1.0)).batch(16);
        let mut readings: Vec<Reading> = Vec::new();
        let mut training = trainer.build_on(watched.device.clone()).unwrap();
        let own = tempfile::tempdir().unwrap();
        training.keep_checkpoints(Checkpoints::new(own.path()).every(Every::Steps(50)));
        // 113 steps an epoch
        training
            .fit_with(&train, &none, Stop::after(27), |event| {
                if let Event::Epoch { .. } = event {
                    readings.push(watched.read());
                }
            })
            .unwrap();
        assert_eq!(readings.len(), 27);
        assert_eq!(faults(&readings, 113), [""; 0], "{name}: {}", readings[0].device());
    }
    let reading = |host_bytes, buffers| Reading { host_bytes: Some(host_bytes), counts: vec![("buffers", buffers)] };
    let leak: Vec<Reading> = (0..20).map(|i| reading(i << 20, 3)).collect();
    assert!(faults(&leak, 100)[0].contains("memory grew from 2097152 to 19922944 bytes"), "{:?}", faults(&leak, 100));
    let made: Vec<Reading> = (0..20).map(|i| reading(0, 3 + i / 10)).collect();
    assert_eq!(faults(&made, 100), ["3 buffers after the first epoch, 4 after epoch 11"]);
}
