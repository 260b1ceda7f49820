//! Work on the threads and in the vectors of the CPU path.
//!
//! Slices are cut into runs, one for each thread of the pool that the executor runs in. Who calls says what each run does, so that how many
//! threads there are decides how fast a result comes, never what it is.

use pulp::Arch;
pub(crate) use pulp::{Simd, WithSimd};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, TryLockError};

/// Operations of a product (some 50 to 100 a nanosecond) for which another thread pays: it takes microseconds to hand them over. Who does
/// something slower counts more operations.
pub(crate) const WORTH: usize = 1 << 19;

/// The threads that an executor shares its work out to.
#[derive(Debug)]
pub(crate) struct Threads {
    pool: ThreadPool,
    taken: Mutex<()>,
}

impl Threads {
    /// So many threads, 0 for as many as the process may use; none for one, or where the system gives none.
    pub(crate) fn new(threads: usize) -> Option<Self> {
        let name = |n: usize| format!("gradus {n}");
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build().ok()?;
        (pool.current_num_threads() > 1).then(|| Threads { pool, taken: Mutex::new(()) })
    }

    pub(crate) fn count(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs something that shares out its work, while all threads stay awake for it: between the parts of a step there are only
    /// microseconds, and to wake a thread that went to sleep takes ten times as long. Where somebody else has the threads, it does its work
    /// alone: those who keep each other's threads awake would wait for one another.
    pub(crate) fn run(&self, work: impl FnOnce() + Send) {
        match self.taken.try_lock() {
            Ok(_taken) => self.pool.install(|| with_all_awake(work)),
            Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => work(),
        }
    }
}

fn with_all_awake(work: impl FnOnce() + Send) {
    /// Sends the others to sleep, also when the work panics.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }

    let done = AtomicBool::new(false);
    let own = rayon::current_thread_index();
    rayon::scope(|scope| {
        let _done = Done(&done);
        scope.spawn_broadcast(|_, context| {
            let mut idle = 0u32;
            while Some(context.index()) != own && !done.load(Ordering::Acquire) {
                idle = if rayon::yield_now() == Some(rayon::Yield::Executed) { 0 } else { idle.saturating_add(1) };
                // nothing for long: somebody else may need the core
                if idle > PATIENCE { std::thread::yield_now() } else { std::hint::spin_loop() }
            }
        });
        work();
    });
}

/// How often a thread looks for work before it lets others have its core in between: for some tens of microseconds.
const PATIENCE: u32 = 1000;

/// How many runs pay for so many operations. One outside a pool.
fn runs(operations: usize) -> usize {
    match rayon::current_thread_index() {
        None => 1,
        Some(_) => rayon::current_num_threads().min(operations / WORTH).max(1),
    }
}

/// Hands runs of whole rows to the threads, each with the number of its first row. Runs but the last have a multiple of `grain` rows.
/// `operations` are those of all rows together.
pub(crate) fn over_rows<T: Send>(
    cells: &mut [T],
    width: usize,
    grain: usize,
    operations: usize,
    each: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    over([cells], (grain * width).max(1), operations, &|first, [cells]: [&mut [T]; 1]| each(first / width.max(1), cells));
}

/// Hands each member's part of a buffer `[members, part]` to a thread, where all have so many operations together.
pub(crate) fn over_members<T: Send>(
    cells: &mut [T],
    members: u32,
    part: usize,
    operations: u64,
    each: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    over_parts([cells], members, [part], operations, &|member, [cells]: [&mut [T]; 1]| each(member, cells));
}

/// Hands each member's parts of several buffers `[members, part]` to a thread. A part may be empty.
pub(crate) fn over_parts<T: Send, const N: usize>(
    buffers: [&mut [T]; N],
    members: u32,
    parts: [usize; N],
    operations: u64,
    each: &(impl Fn(usize, [&mut [T]; N]) + Sync),
) {
    share_out(buffers, 0, members as usize, parts, runs(operations as usize), each);
}

fn share_out<T: Send, const N: usize>(
    buffers: [&mut [T]; N],
    first: usize,
    members: usize,
    parts: [usize; N],
    runs: usize,
    each: &(impl Fn(usize, [&mut [T]; N]) + Sync),
) {
    if members < 2 || runs < 2 {
        let mut rest = buffers;
        for member in first..first + members {
            let mut n = 0;
            let own = rest.each_mut().map(|rest| {
                n += 1;
                rest.split_off_mut(..parts[n - 1]).expect("a buffer has a part for each member")
            });
            each(member, own);
        }
        return;
    }
    let left = (members * (runs / 2) / runs).max(1);
    let mut behind: [&mut [T]; N] = std::array::from_fn(|_| Default::default());
    let mut n = 0;
    let before = buffers.map(|buffer| {
        let (before, rest) = buffer.split_at_mut(left * parts[n]);
        behind[n] = rest;
        n += 1;
        before
    });
    rayon::join(
        || share_out(before, first, left, parts, runs / 2, each),
        || share_out(behind, first + left, members - left, parts, runs - runs / 2, each),
    );
}

/// Hands runs of several slices, all cut at the same places, to the threads, each with the number of its first element. A slice that is
/// shorter than the first ends earlier: runs beyond its end have nothing of it.
pub(crate) fn over<T: Send, const N: usize>(
    slices: [&mut [T]; N],
    grain: usize,
    operations: usize,
    each: &(impl Fn(usize, [&mut [T]; N]) + Sync),
) {
    halve(slices, 0, grain, runs(operations), each);
}

fn halve<T: Send, const N: usize>(
    slices: [&mut [T]; N],
    first: usize,
    grain: usize,
    runs: usize,
    each: &(impl Fn(usize, [&mut [T]; N]) + Sync),
) {
    let len = slices.first().map_or(0, |slice| slice.len());
    let left = (len * (runs / 2) / runs).next_multiple_of(grain);
    if runs == 1 || left >= len {
        return each(first, slices);
    }
    let mut rest: [&mut [T]; N] = std::array::from_fn(|_| Default::default());
    let mut n = 0;
    let begin = slices.map(|slice| {
        let at = left.min(slice.len());
        let (before, behind) = slice.split_at_mut(at);
        rest[n] = behind;
        n += 1;
        before
    });
    rayon::join(|| halve(begin, first, grain, runs / 2, each), || halve(rest, first + left, grain, runs - runs / 2, each));
}

/// Runs a loop compiled for the vectors of this processor: one in a `with_simd` that is `inline(always)`, as is all that it calls. (A
/// closure can't be told to be inlined, and what is not is compiled for the oldest processor.)
pub(crate) fn in_vectors<L: WithSimd>(work: L) -> L::Output {
    Arch::new().dispatch(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each finds the other in the pool at some time, and must not wait for it.
    #[test]
    fn two_who_want_the_same_threads_both_come_to_an_end() {
        let threads = Threads::new(3).unwrap();
        let sum = || {
            let mut cells = vec![1u64; 1 << 12];
            for _ in 0..200 {
                threads.run(|| over_rows(&mut cells, 1, 1, usize::MAX, |_, cells| cells.iter_mut().for_each(|cell| *cell += 1)));
            }
            cells.iter().sum::<u64>()
        };
        let sums = std::thread::scope(|scope| [scope.spawn(sum), scope.spawn(sum)].map(|thread| thread.join().unwrap()));
        assert_eq!(sums, [201 << 12; 2]);
    }

    #[test]
    fn every_member_has_its_own_parts_whatever_the_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for members in [1, 2, 5, 64] {
                let (mut wide, mut none, mut narrow) = (vec![0; members * 5 + 2], Vec::new(), vec![0; members * 2]);
                pool.install(|| {
                    let buffers = [&mut wide[..], &mut none, &mut narrow];
                    over_parts(buffers, members as u32, [5, 0, 2], u64::MAX, &|member, parts: [&mut [usize]; 3]| {
                        assert_eq!(parts.each_ref().map(|part| part.len()), [5, 0, 2]);
                        parts.into_iter().flatten().for_each(|cell| *cell += member + 1);
                    });
                });
                let wanted = |part: usize| (0..members).flat_map(move |member| std::iter::repeat_n(member + 1, part));
                assert!(wide.into_iter().eq(wanted(5).chain([0, 0])) && narrow.into_iter().eq(wanted(2)), "{members} on {threads}");
            }
        }
    }

    #[test]
    fn every_element_is_in_one_run_whatever_the_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for (rows, width, grain) in [(0, 4, 3), (1, 4, 3), (7, 3, 2), (100, 1, 6), (64, 5, 64)] {
                let mut cells = vec![0; rows * width];
                let mut short = vec![0; rows * width / 2];
                pool.install(|| {
                    over_rows(&mut cells, width, grain, usize::MAX, |first, cells| {
                        assert!(first % grain == 0 && cells.len() % width == 0);
                        cells.iter_mut().enumerate().for_each(|(i, cell)| *cell += first * width + i);
                    });
                    over([&mut cells, &mut short], grain, usize::MAX, &|first, [cells, short]: [&mut [usize]; 2]| {
                        short.iter_mut().enumerate().for_each(|(i, cell)| *cell += first + i);
                        assert!(short.len() <= cells.len());
                    });
                });
                assert!(cells.into_iter().eq(0..rows * width) && short.into_iter().eq(0..rows * width / 2), "{rows} on {threads}");
            }
        }
    }
}
