//! The one source of chance on the host: ChaCha8, one stream a purpose, so that no draw shifts another.

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

/// What a stream of random numbers is for. Draws for one purpose never move those for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Which rows are for training, validation and test.
    Split = 1,
    /// Initial weights; the index is the layer.
    Init = 2,
    /// The order of the rows; the index is the epoch.
    Order = 3,
    /// Made-up data sets.
    Synthetic = 4,
    /// What dropout's draws on the device begin with.
    Dropout = 5,
    /// The order into which a feature's values are put to see what it is worth; the index counts features and repeats.
    Importance = 6,
}

/// A seeded generator whose numbers are fixed for good: the same on every platform and in every release.
///
/// ```
/// use gradus::rng::{Purpose, Rng};
/// let (mut a, mut b) = (Rng::new(7, Purpose::Order, 3), Rng::new(7, Purpose::Order, 3));
/// assert_eq!(a.permutation(10), b.permutation(10));
/// assert_ne!(a.permutation(10), Rng::new(7, Purpose::Order, 4).permutation(10));
/// ```
#[derive(Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The generator of a seed, a purpose and an index (an epoch, a layer). The three are the key: ChaCha's
    /// 256-bit key is `seed, purpose, index, 0` as little-endian 64-bit words.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        Rng(ChaCha8Rng::from_seed(key))
    }

    /// A number in [0, 1) with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number in [0, n), unbiased (Lemire's method with rejection).
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "below(0) has no answer");
        let limit = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.0.next_u64()) * u128::from(n);
            if wide as u64 >= limit {
                return (wide >> 64) as u64;
            }
        }
    }

    /// A draw from the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Puts a slice in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// The numbers 0 .. n in random order.
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_indices_do_not_share_draws() {
        let first = |purpose, index| Rng::new(1, purpose, index).unit();
        assert_ne!(first(Purpose::Split, 0), first(Purpose::Init, 0));
        assert_ne!(first(Purpose::Init, 0), first(Purpose::Init, 1));
    }

    #[test]
    fn normal_draws_have_mean_0_and_variance_1() {
        let mut rng = Rng::new(3, Purpose::Synthetic, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| rng.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        // standard errors: 1/√100000 = 0.0032 and √(2/100000) = 0.0045; four of each
        assert!(mean.abs() < 0.013, "{mean}");
        assert!((variance - 1.0).abs() < 0.018, "{variance}");
    }

    #[test]
    fn below_reaches_every_number_evenly() {
        let mut rng = Rng::new(5, Purpose::Synthetic, 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        // binomial: mean 10000, deviation √(70000·1/7·6/7) = 92.6; five deviations
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 463), "{counts:?}");
    }
}
