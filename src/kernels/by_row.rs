//! The first layer's products without a batch that was gathered before: x is the whole of the data, and each load of it looks up in the epoch's
//! order which row is meant, `x[m, r, :] = features[order[m, start + r], :]`.
//!
//! That spares a dispatch, and the batch's way to memory and back; bytes stay bytes until they are in a register. The numbers are those of
//! [`gather`](super::gather) and the product over its batch, to the bit.

use super::gather::unpack;
use crate::formula::{Formulas, Uses};
use crate::kernel::{Args, Case, CaseArg, CaseData, Dot, Field, Kernel, Params, Real, Step, Tolerance, Variant, Word as _};
use std::borrow::Cow;

/// Where a product's x comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A batch, row by row.
    Batch,
    /// The whole of the data, in numbers, and an order that says which rows are meant.
    Rows,
    /// The same in bytes.
    Bytes,
}

/// The rows of a product's x, for its twin.
pub struct X<'a, T: Clone> {
    /// How many arguments there are before the scale of the loss beside those of the product over a batch.
    pub more: usize,
    /// A member's rows of the batch, one after the other; there may be more behind the live ones.
    pub rows: &'a (dyn Fn(usize) -> Cow<'a, [T]> + Sync),
}

/// A product over a batch whose x may also be looked up, row by row, in the whole of the data.
pub trait TakesRows: Kernel {
    /// The names of the kernels that do so, and their variants: over numbers, over bytes.
    const BY_ROW: [(&'static str, &'static [Variant]); 2];
    /// Which argument x is.
    const X: usize;
    /// The WGSL under a name, with x from a source.
    fn wgsl_from(name: &str, variants: &[Variant], source: Source) -> String;
    /// Elements of a row of x.
    fn width(&self) -> usize;
    /// The twin over these rows.
    fn cpu_over<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>, x: &X<'_, T>);
}

/// Which argument the order is: behind the three of a product over a batch.
const ORDER: usize = 3;

/// A product whose x is looked up in the data. Arguments: those of the product, with the features `[n, width]` of all rows in the place of x; the
/// order `[members, order_stride]`; and the scale of the loss, where the product takes one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByRow<K, const BYTES: bool> {
    /// The product.
    pub product: K,
    /// Entries of the order, for one member.
    pub order_stride: u32,
    /// What one unit of a byte is worth; of no meaning for numbers.
    pub scale: f32,
}

const OWN: [Field; 2] = [Field { name: "order_stride", wgsl: "u32" }, Field { name: "scale", wgsl: "f32" }];
const MOST: usize = 16;

impl<K: Params, const BYTES: bool> ByRow<K, BYTES> {
    /// The product's fields, and behind them its own.
    const ALL: &'static [Field; MOST] = &{
        let (mut all, mut n) = ([OWN[0]; MOST], 0);
        while n < K::FIELDS.len() {
            all[n] = K::FIELDS[n];
            n += 1;
        }
        all[n] = OWN[0];
        all[n + 1] = OWN[1];
        all
    };
}

impl<K: Params, const BYTES: bool> Params for ByRow<K, BYTES> {
    const FIELDS: &'static [Field] = Self::ALL.split_at(K::FIELDS.len() + OWN.len()).0;

    fn words(&self) -> Vec<u32> {
        let mut words = self.product.words();
        words.extend([self.order_stride, self.scale.to_word()]);
        words
    }

    fn from_words(words: &[u32]) -> Self {
        let (product, own) = words.split_at(K::FIELDS.len());
        ByRow { product: K::from_words(product), order_stride: own[0], scale: f32::from_bits(own[1]) }
    }
}

impl<K: TakesRows, const BYTES: bool> Kernel for ByRow<K, BYTES> {
    const NAME: &'static str = K::BY_ROW[BYTES as usize].0;
    const VARIANTS: &'static [Variant] = K::BY_ROW[BYTES as usize].1;
    const USES: Uses = K::USES;

    fn wgsl() -> String {
        Self::wgsl_of(Self::VARIANTS)
    }

    fn wgsl_of(variants: &[Variant]) -> String {
        K::wgsl_from(Self::NAME, variants, if BYTES { Source::Bytes } else { Source::Rows })
    }

    fn grid(&self) -> [u32; 3] {
        self.product.grid()
    }

    fn loops(&self) -> u64 {
        self.product.loops()
    }

    fn flops(&self) -> u64 {
        self.product.flops()
    }

    fn half(&self) -> bool {
        self.product.half()
    }

    fn floor(&self, formulas: &Formulas) -> f64 {
        self.product.floor(formulas)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (width, scale) = (self.product.width(), T::of(self.scale));
        let (order, stride) = (&*args.word(ORDER), self.order_stride as usize);
        let found = |member: usize| order[member * stride + step.start..][..step.rows].iter().map(|&row| row as usize);
        if BYTES {
            let words = &*args.word(K::X);
            let row = |row: usize| words[row * width / 4..][..width / 4].iter().flat_map(|&word| unpack(word, scale));
            self.product.cpu_over(step, args, &X { more: 1, rows: &|member| found(member).flat_map(row).collect() });
        } else {
            let features = &*args.real(K::X);
            let row = |row: usize| features[row * width..][..width].iter().copied();
            self.product.cpu_over(step, args, &X { more: 1, rows: &|member| found(member).flat_map(row).collect() });
        }
    }

    fn trial(half: bool) -> Option<Case> {
        K::trial(half).map(Self::case)
    }

    fn cases() -> Vec<Case> {
        // tiles, edges and sums are those of the product over a batch: what differs are the loads of x
        K::cases().into_iter().step_by(3).map(Self::case).collect()
    }
}

impl<K: TakesRows, const BYTES: bool> ByRow<K, BYTES> {
    /// The case of a product, its x taken for the whole of the data, and rows of it for the batch: each member begins elsewhere in it and takes
    /// every third, so that some come twice and none where it lies.
    fn case(case: Case) -> Case {
        let with = |words: &[u32], order_stride| ByRow::<K, BYTES> { product: K::from_words(words), order_stride, scale: 0.004 }.words();
        let Case { mut args, members, .. } = case;
        let width = K::from_words(&case.words).width();
        let CaseData::F32(x) = &args[K::X].data else { unreachable!("x is numbers") };
        let rows = x.len() / width;
        let entries = rows / members + case.steps.len();
        let order = (0..members * entries).map(|i| ((5 * (i / entries) + 3 * (i % entries) + 1) % rows) as u32).collect();
        if BYTES {
            args[K::X].data =
                CaseData::U32(x.chunks_exact(4).map(|four| u32::from_le_bytes([0, 1, 2, 3].map(|i| byte_of(four[i])))).collect());
        }
        args.insert(ORDER, CaseArg { name: "order", data: CaseData::U32(order) });
        let stride = entries as u32;
        let dot = case.tolerance.dot.map(|dot| Dot { words: with(&dot.words, stride), ..dot });
        Case { words: with(&case.words, stride), args, tolerance: Tolerance { dot, ..case.tolerance }, ..case }
    }
}

/// A byte for a number: 0 for 0, as padding is, and for others of any size.
fn byte_of(x: f32) -> u8 {
    (255.0 * x.abs()) as u8
}
