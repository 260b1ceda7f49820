//! Checkpoints: their bytes behind a sound checksum, and a training that goes on from one whose books say anything.

use super::disk;
use gradus::checkpoint::{Checkpoint, Folder, Numbers, VERSION};
use gradus::train::{Checkpoints, EarlyStopping, Event, Every, OnNonFinite, Stop, Training};
use gradus::{Adam, Dataset, Device, Loss, Model, Schedule, Trainer};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// The bytes as a file, and as the body of one whose head and checksum are sound.
pub(super) fn bytes(bytes: &[u8]) {
    let path = Path::new("checkpoint");
    let _ = Checkpoint::from_bytes(path, bytes);
    let mut whole = [&b"GRADUSCP"[..], &VERSION.to_le_bytes(), &(bytes.len() as u64).to_le_bytes(), bytes].concat();
    whole.extend(Sha256::digest(&whole));
    let Ok(checkpoint) = Checkpoint::from_bytes(path, &whole) else { return };
    let written = checkpoint.to_bytes().expect("what was read can be written");
    let back = Checkpoint::from_bytes(path, &written).expect("what was written can be read");
    assert_eq!(back.to_bytes().expect("as before").len(), written.len());
    assert_eq!((back.number, &back.about, &back.state), (checkpoint.number, &checkpoint.about, &checkpoint.state));
    let shapes = |of: &Checkpoint| of.tensors.iter().map(|t| (t.name.clone(), t.shape.clone(), t.numbers.len())).collect::<Vec<_>>();
    assert_eq!(shapes(&back), shapes(&checkpoint));
    let _ = gradus::train::place(&checkpoint);
}

fn data() -> (Dataset, Dataset) {
    Dataset::moons(30, 3).split(0.8)
}

fn training() -> Training {
    let model = Model::input(2).dense(4).batch_norm().relu().dropout(0.1).dense(2);
    let trainer = Trainer::new(model, Loss::cross_entropy())
        .optimizer(Adam::new().average(0.9))
        .schedule(Schedule::plateau(1e-2).with("patience", 1.0))
        .on_nonfinite(OnNonFinite::Rollback)
        .batch(6)
        .seed(5);
    trainer.build_on(Device::Cpu.open().expect("the CPU is there").with_threads(1)).expect("the trainer is sound")
}

fn stop() -> Stop {
    Stop::after(3).early(EarlyStopping { patience: 2, ..EarlyStopping::default() })
}

/// A sound checkpoint of the training: in the middle of its second epoch.
static SOUND: LazyLock<Checkpoint> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (train, valid) = data();
    let flag = Arc::new(AtomicBool::new(false));
    let mut training = training();
    training.keep_checkpoints(Checkpoints::new(folder.path()).every(Every::Steps(1)));
    let stop = Stop { interrupt: Some(Arc::clone(&flag)), ..stop() };
    let told = |event: &Event<'_>| {
        if let Event::Progress { epoch: 2, step: 2.., .. } = event {
            flag.store(true, Ordering::Relaxed);
        }
    };
    training.fit_with(&train, &valid, stop, told).expect("it trains");
    Folder::new(folder.path()).newest().expect("it can be read").expect("there is one").checkpoint
});

/// A sound checkpoint, to make seeds of.
pub fn sound() -> Checkpoint {
    SOUND.clone()
}

/// A sound checkpoint with other books: text up to the first NUL; behind it, six bytes each, words of its tensors that are others: which tensor, where in
/// it, what. A tensor whose place is 255 loses its last number.
pub(super) fn resume(bytes: &[u8]) {
    let (books, patches) = bytes.split_at(bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()));
    let Ok(books) = std::str::from_utf8(books) else { return };
    let mut checkpoint = SOUND.clone();
    checkpoint.state = books.to_string();
    for &[which, place, a, b, c, d] in patches.get(1..).unwrap_or_default().as_chunks::<6>().0 {
        let count = checkpoint.tensors.len();
        let tensor = &mut checkpoint.tensors[usize::from(which) % count];
        let at = usize::from(place) % tensor.numbers.len().max(1);
        match &mut tensor.numbers {
            Numbers::F32(values) if place == 255 => tensor.shape = vec![values.len() - usize::from(values.pop().is_some())],
            Numbers::F32(values) if !values.is_empty() => values[at] = f32::from_le_bytes([a, b, c, d]),
            Numbers::U32(words) if !words.is_empty() => words[at] = u32::from_le_bytes([a, b, c, d]),
            _ => {}
        }
    }
    let (train, valid) = data();
    let mut training = training();
    training.resume(checkpoint);
    let folder = disk::path("checkpoints");
    training.keep_checkpoints(Checkpoints::new(&folder).every(Every::Epochs(1)));
    let Ok(report) = training.fit(&train, &valid, stop()) else { return };
    assert!(report.members[0].epochs.len() <= 3, "more epochs than there are");
}
