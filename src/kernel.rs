//! What a kernel is: a WGSL entry point and its Rust twin, the step they both read, and cases for parity.

use crate::formula::{Formulas, PointLoss, Pointwise, Uses};
use crate::matmul::half::{round_wide, with_halves};
use crate::matmul::{self, Finish, Matrix};
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder as _, linalg::general_mat_mul};
use std::cell::{Cell, Ref, RefCell, RefMut};

/// A floating-point type that the CPU path computes in: `f32` to train, `f64` as the truth in parity tests.
pub trait Real: num_traits::Float + std::ops::AddAssign + std::ops::MulAssign + std::fmt::Debug + Send + Sync + 'static {
    /// From a uniform, a rate or a constant.
    fn of(x: f32) -> Self;
    /// From a constant that needs more digits than `f32` has.
    fn of_wide(x: f64) -> Self;
    /// To the widest type, for comparisons.
    fn wide(self) -> f64;
    /// The error function.
    fn erf(self) -> Self;
    /// `z ← σ(z)`, see [`Pointwise`].
    fn activate(formula: &dyn Pointwise, cells: &mut [Self]);
    /// `δ ← δ · σ'`, see [`Pointwise`].
    fn slope(formula: &dyn Pointwise, delta: &mut [Self], source: &[Self]);
    /// `g ← scale · ∂ℓ/∂p` and `Σ ℓ`, see [`PointLoss`].
    fn lose(formula: &dyn PointLoss, p: &[Self], t: &[Self], scale: Self, g: &mut [Self]) -> Self;
    /// `C = A·B`, then `finish` on every row of C, whose rows lie `stride` apart: by [`matmul::product`] in `f32`, by ndarray in `f64`.
    fn product(a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: &mut [Self], stride: usize, finish: Finish<'_, Self>);
    /// `C = (f16(up·A)·f16(B))·down`, scale = `[up, down]`, then `finish`: the product of operands that are rounded to `f16`, of which the left one is
    /// scaled before.
    fn product_of_halves(
        scale: [Self; 2],
        a: Matrix<'_, Self>,
        b: Matrix<'_, Self>,
        c: &mut [Self],
        stride: usize,
        finish: Finish<'_, Self>,
    );
    /// One or the other: that of halves where there is a scale.
    fn product_in(
        halves: Option<[Self; 2]>,
        a: Matrix<'_, Self>,
        b: Matrix<'_, Self>,
        c: &mut [Self],
        stride: usize,
        finish: Finish<'_, Self>,
    ) {
        match halves {
            None => Self::product(a, b, c, stride, finish),
            Some(scale) => Self::product_of_halves(scale, a, b, c, stride, finish),
        }
    }
}

impl Real for f32 {
    fn of(x: f32) -> Self {
        x
    }
    fn of_wide(x: f64) -> Self {
        x as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn erf(self) -> Self {
        libm::erff(self)
    }
    fn activate(formula: &dyn Pointwise, cells: &mut [f32]) {
        formula.value32(cells);
    }
    fn slope(formula: &dyn Pointwise, delta: &mut [f32], source: &[f32]) {
        formula.slope32(delta, source);
    }
    fn lose(formula: &dyn PointLoss, p: &[f32], t: &[f32], scale: f32, g: &mut [f32]) -> f32 {
        formula.row32(p, t, scale, g)
    }
    fn product(a: Matrix<'_, f32>, b: Matrix<'_, f32>, c: &mut [f32], stride: usize, finish: Finish<'_, f32>) {
        matmul::product(a, b, c, stride, finish);
    }
    fn product_of_halves(
        [up, down]: [f32; 2],
        a: Matrix<'_, f32>,
        b: Matrix<'_, f32>,
        c: &mut [f32],
        stride: usize,
        finish: Finish<'_, f32>,
    ) {
        with_halves(a, b, up, |a, b| {
            matmul::product(a, b, c, stride, &|row, cells| {
                cells.iter_mut().for_each(|cell| *cell *= down);
                finish(row, cells);
            });
        });
    }
}

impl Real for f64 {
    fn of(x: f32) -> Self {
        f64::from(x)
    }
    fn of_wide(x: f64) -> Self {
        x
    }
    fn wide(self) -> f64 {
        self
    }
    fn erf(self) -> Self {
        libm::erf(self)
    }
    fn activate(formula: &dyn Pointwise, cells: &mut [f64]) {
        formula.value64(cells);
    }
    fn slope(formula: &dyn Pointwise, delta: &mut [f64], source: &[f64]) {
        formula.slope64(delta, source);
    }
    fn lose(formula: &dyn PointLoss, p: &[f64], t: &[f64], scale: f64, g: &mut [f64]) -> f64 {
        formula.row64(p, t, scale, g)
    }
    fn product(a: Matrix<'_, f64>, b: Matrix<'_, f64>, c: &mut [f64], stride: usize, finish: Finish<'_, f64>) {
        fn view(matrix: Matrix<'_, f64>) -> ArrayView2<'_, f64> {
            let (cells, shape, strides) = matrix.parts();
            ArrayView2::from_shape(shape.strides(strides), cells).expect("the slice holds the matrix")
        }
        let (a, b) = (view(a), view(b));
        let shape = [a.nrows(), b.ncols()];
        let mut product = ArrayViewMut2::from_shape(shape.strides([stride, 1]), c).expect("the slice holds the matrix");
        general_mat_mul(1.0, &a, &b, 0.0, &mut product);
        c.chunks_exact_mut(stride).enumerate().for_each(|(row, cells)| finish(row, cells));
    }
    fn product_of_halves(
        [up, down]: [f64; 2],
        a: Matrix<'_, f64>,
        b: Matrix<'_, f64>,
        c: &mut [f64],
        stride: usize,
        finish: Finish<'_, f64>,
    ) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let (a, b) = (a.map(&mut left, |x| round_wide(up * x)), b.map(&mut right, |&x| round_wide(x)));
        Self::product(a, b, c, stride, &|row, cells| {
            cells.iter_mut().for_each(|cell| *cell *= down);
            finish(row, cells);
        });
    }
}

/// A field of a uniform: its name and its WGSL type. A test holds it against the WGSL struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name, the same in Rust and in WGSL.
    pub name: &'static str,
    /// `u32` or `f32`.
    pub wgsl: &'static str,
}

/// The two types a uniform may hold. Both are one 32-bit word, so that no layout rule can come between Rust and WGSL.
pub trait Word: Copy {
    /// The type's name in WGSL.
    const WGSL: &'static str;
    /// The bits.
    fn to_word(self) -> u32;
    /// The value of the bits.
    fn from_word(word: u32) -> Self;
}

impl Word for u32 {
    const WGSL: &'static str = "u32";
    fn to_word(self) -> u32 {
        self
    }
    fn from_word(word: u32) -> Self {
        word
    }
}

impl Word for f32 {
    const WGSL: &'static str = "f32";
    fn to_word(self) -> u32 {
        self.to_bits()
    }
    fn from_word(word: u32) -> Self {
        f32::from_bits(word)
    }
}

/// A struct of `u32` and `f32` that is the uniform of a kernel. Made by the macro `params!`.
pub trait Params: Sized + 'static {
    /// The fields in order.
    const FIELDS: &'static [Field];
    /// The uniform as the GPU gets it.
    fn words(&self) -> Vec<u32>;
    /// The struct that has these words.
    fn from_words(words: &[u32]) -> Self;
}

/// Declares the uniform of a kernel: a struct of `u32` and `f32` fields that knows its own words.
#[macro_export]
macro_rules! params {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $kind,)+ }

        impl $crate::kernel::Params for $name {
            const FIELDS: &'static [$crate::kernel::Field] =
                &[$($crate::kernel::Field { name: stringify!($field), wgsl: <$kind as $crate::kernel::Word>::WGSL }),+];

            fn words(&self) -> Vec<u32> {
                vec![$($crate::kernel::Word::to_word(self.$field)),+]
            }

            fn from_words(words: &[u32]) -> Self {
                let mut words = words.iter().copied();
                Self { $($field: $crate::kernel::Word::from_word(words.next().expect("one word a field"))),+ }
            }
        }
    };
}

/// What differs from step to step. On the device it is a row of the table `steps`.
///
/// The table: word 0 is the length of a row, word 1 where the first row starts, then a cursor for each member, then the rows. A
/// member's cursor moves on when its step is finished, so that every step is encoded alike, and nothing is uploaded between steps.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// How many rows of the batch are live.
    pub rows: usize,
    /// Where in the order the batch starts.
    pub start: usize,
    /// Where in the log the step's sums go.
    pub slot: usize,
    /// The number of the step since training began: what dropout is drawn from.
    pub number: u32,
    /// Which part of an accumulated batch it is.
    pub part: Part,
    rates: &'a [u32],
}

/// What one member needs for one step: the rate, two numbers that the optimizer works out on the host, and the weight of the whole
/// batch, which losses are divided by: its rows where none has a weight of its own.
pub type Rate = [f32; 4];

/// Which part of a batch whose gradients are accumulated a step is. A batch of one part is both the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The sum of gradients starts anew.
    pub first: bool,
    /// The weights are updated.
    pub last: bool,
}

impl Part {
    /// The whole batch.
    pub const WHOLE: Part = Part { first: true, last: true };

    fn word(self) -> u32 {
        u32::from(self.first) | u32::from(self.last) << 1
    }
}

/// What a row of the table of steps is made of.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// See [`Step::rows`].
    pub rows: usize,
    /// See [`Step::start`].
    pub start: usize,
    /// See [`Step::slot`].
    pub slot: usize,
    /// See [`Step::number`].
    pub number: u32,
    /// See [`Step::part`].
    pub part: Part,
    /// One a member.
    pub rates: &'a [Rate],
}

/// Words of a row before the rates.
const HEAD: usize = 5;

impl<'a> Step<'a> {
    /// How many words a row of the table takes.
    pub fn words(members: usize) -> usize {
        HEAD + 4 * members
    }

    /// Puts a row at the end of a table.
    pub fn push(table: &mut Vec<u32>, row: &Row<'_>) {
        table.extend([row.rows as u32, row.start as u32, row.slot as u32, row.number, row.part.word()]);
        table.extend(row.rates.iter().flatten().map(|r| r.to_bits()));
    }

    /// A table without rows, all cursors at its start.
    pub fn table(members: usize) -> Vec<u32> {
        let mut table = vec![0; Step::header(members)];
        table[0] = Step::words(members) as u32;
        table[1] = Step::header(members) as u32;
        table
    }

    /// Words before the first row.
    pub fn header(members: usize) -> usize {
        (2 + members).next_multiple_of(4)
    }

    /// The row that a member's cursor stands at.
    pub fn current(table: &'a [u32], member: usize) -> Self {
        Step::of_row(&table[(table[1] + table[2 + member] * table[0]) as usize..][..table[0] as usize])
    }

    /// A row, taken apart.
    pub fn of_row(row: &'a [u32]) -> Self {
        let part = Part { first: row[4] & 1 != 0, last: row[4] & 2 != 0 };
        Step { rows: row[0] as usize, start: row[1] as usize, slot: row[2] as usize, number: row[3], part, rates: &row[HEAD..] }
    }

    /// How many rows a table has.
    pub fn rows_in(table: &[u32], members: usize) -> usize {
        (table.len() - Step::header(members)) / Step::words(members)
    }

    /// The rate of a member.
    pub fn rate(&self, member: usize) -> Rate {
        std::array::from_fn(|i| f32::from_bits(self.rates[4 * member + i]))
    }

    /// The weight of a member's whole batch.
    pub fn total(&self, member: usize) -> f32 {
        self.rate(member)[3]
    }
}

/// The contents of a buffer on the CPU path.
#[derive(Debug, Clone)]
pub enum Cells<T> {
    /// Numbers.
    Real(Vec<T>),
    /// Indices, counters, packed bytes, bits.
    Word(Vec<u32>),
}

/// The buffers bound to a dispatch on the CPU path, in the order of the WGSL bindings. Each buffer is one `RefCell`: binding
/// one for reading and for writing at a time fails here as it does on a GPU.
pub struct Args<'a, T> {
    cells: &'a [RefCell<Cells<T>>],
    bound: &'a [usize],
    formulas: &'a Formulas,
    written: Cell<u32>,
}

impl<'a, T: Real> Args<'a, T> {
    /// Binds the buffers numbered `bound`.
    pub fn new(cells: &'a [RefCell<Cells<T>>], bound: &'a [usize], formulas: &'a Formulas) -> Self {
        Args { cells, bound, formulas, written: Cell::new(0) }
    }

    /// Whether argument `i` was bound to be written: what a graph of the plan is drawn from.
    pub fn is_written(&self, i: usize) -> bool {
        self.written.get() & (1 << i) != 0
    }

    /// `z ← σ(z)` by the plan's activation of a number; 0 is the identity.
    pub fn activate(&self, kind: u32, cells: &mut [T]) {
        if let Some(formula) = self.activation(kind) {
            T::activate(formula, cells);
        }
    }

    /// The plan's activation of a number; none for 0, the identity.
    pub fn activation(&self, kind: u32) -> Option<&'a dyn Pointwise> {
        (kind > 0).then(|| &*self.formulas.activations[kind as usize - 1])
    }

    /// `δ ← δ · σ'` by the plan's activation of a number.
    pub fn slope(&self, kind: u32, delta: &mut [T], source: &[T]) {
        if let Some(formula) = self.activation(kind) {
            T::slope(formula, delta, source);
        }
    }

    /// The plan's loss of a number.
    pub fn loss(&self, kind: u32) -> &'a dyn PointLoss {
        &*self.formulas.losses[kind as usize]
    }

    /// The numbers of argument `i`, to read.
    pub fn real(&self, i: usize) -> Ref<'a, [T]> {
        Ref::map(self.cells[self.bound[i]].borrow(), |cells| match cells {
            Cells::Real(v) => v.as_slice(),
            Cells::Word(_) => panic!("argument {i} holds words, the kernel wants numbers"),
        })
    }

    /// The numbers of argument `i`, to write.
    pub fn real_mut(&self, i: usize) -> RefMut<'a, [T]> {
        self.written.set(self.written.get() | 1 << i);
        RefMut::map(self.cells[self.bound[i]].borrow_mut(), |cells| match cells {
            Cells::Real(v) => v.as_mut_slice(),
            Cells::Word(_) => panic!("argument {i} holds words, the kernel wants numbers"),
        })
    }

    /// The words of argument `i`, to read.
    pub fn word(&self, i: usize) -> Ref<'a, [u32]> {
        Ref::map(self.cells[self.bound[i]].borrow(), |cells| match cells {
            Cells::Word(v) => v.as_slice(),
            Cells::Real(_) => panic!("argument {i} holds numbers, the kernel wants words"),
        })
    }

    /// The words of argument `i`, to write.
    pub fn word_mut(&self, i: usize) -> RefMut<'a, [u32]> {
        self.written.set(self.written.get() | 1 << i);
        RefMut::map(self.cells[self.bound[i]].borrow_mut(), |cells| match cells {
            Cells::Word(v) => v.as_mut_slice(),
            Cells::Real(_) => panic!("argument {i} holds numbers, the kernel wants words"),
        })
    }
}

/// One WGSL entry point of a kernel, and how many elements of the grid each of its invocations makes in x and y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// The entry point.
    pub entry: &'static str,
    /// Elements an invocation makes in x and in y; where a workgroup makes them together, those of the workgroup.
    pub tile: [u32; 2],
    /// How it gets at its operands.
    pub family: Family,
}

impl Variant {
    /// One by matrices of a size and subgroups of so many lanes, with so many columns and rows a workgroup.
    pub(crate) const fn cooperative(entry: &'static str, size: u32, lanes: u32, block: [u32; 2]) -> Variant {
        Variant { entry, tile: block, family: Family::Cooperative { size, lanes } }
    }

    /// How many elements a workgroup of so many invocations makes, in x, y and z.
    #[cfg(feature = "gpu")]
    pub(crate) fn covers(&self, [x, y, z]: [u32; 3]) -> [u32; 3] {
        match (self.family, self.tile) {
            (Family::Cooperative { .. }, [wide, high]) => [wide, high, z],
            (Family::Shared([wide, high]), _) => [wide, high, 1],
            (_, [cols, rows]) => [cols * x, rows * y, z],
        }
    }
}

/// How a variant of a kernel gets at its operands, and so which adapters it was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Each invocation loads what it needs itself. Runs well anywhere while it is small.
    Direct,
    /// The same with many numbers an invocation: for drivers that run a workgroup as a loop on a core of the processor.
    Software,
    /// A workgroup loads the operands of so many columns and rows together, through workgroup memory: for real GPUs, where that is
    /// close to the arithmetic.
    Shared([u32; 2]),
    /// The same with operands that are rounded to `f16` as they are loaded, and summed in `f32`: for adapters whose shaders know `f16`, and for
    /// uniforms that ask for it ([`Kernel::half`]).
    SharedHalf([u32; 2]),
    /// The same products of halves by tensor cores: all lanes of a subgroup multiply a matrix together. For adapters whose subgroups have this many
    /// lanes and no other number, and that have matrices of this size.
    Cooperative {
        /// Rows and columns of each of the matrices that are multiplied.
        size: u32,
        /// The size of a subgroup.
        lanes: u32,
    },
    /// Each lane of a subgroup of so many loads a part of what all need, and hands it to the others: for software drivers, whose loads
    /// are dear. Runs where subgroups have this size and no other.
    Subgroup(u32),
}

impl Family {
    /// Whether it rests on a feature that adapters may lack, and drivers get wrong: it is tried on a device before it is used there.
    pub fn is_optional(self) -> bool {
        matches!(self, Family::Subgroup(_)) || self.is_half()
    }

    /// Whether it rounds its operands to `f16`.
    pub fn is_half(self) -> bool {
        matches!(self, Family::SharedHalf(_) | Family::Cooperative { .. })
    }
}

/// A kernel: the type is its uniform, the function its meaning, the WGSL its speed.
pub trait Kernel: Params {
    /// The WGSL entry point (or the stem of its variants' names), and the label.
    const NAME: &'static str;
    /// The variants, all with the one twin. One of the same name as the kernel where there is nothing to choose.
    const VARIANTS: &'static [Variant] = &[Variant { entry: Self::NAME, tile: [1, 1], family: Family::Direct }];
    /// Which of the plan's formulas it has a place for.
    const USES: Uses = Uses::Nothing;
    /// The WGSL of the kernel's own file, its template filled in; formulas and the common part are appended by [`KernelInfo::wgsl`].
    fn wgsl() -> String;
    /// The same for some of the variants: a module may only name what its device has.
    fn wgsl_of(_: &[Variant]) -> String {
        Self::wgsl()
    }
    /// The elements of the grid: the executor divides by tile and workgroup size.
    fn grid(&self) -> [u32; 3];
    /// Whether the uniform asks for operands that are rounded to `f16`.
    fn half(&self) -> bool {
        false
    }
    /// A small case, its operands rounded to `f16` or not, without formulas of the plan's: what a variant that rests on an optional feature of the
    /// adapter has to get right before it is used. None for kernels without such variants.
    fn trial(_half: bool) -> Option<Case> {
        None
    }
    /// The twin: the kernel's meaning in plain Rust.
    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>);
    /// Iterations of all loops of one invocation together, at most. Plans with more than [`crate::plan::MAX_LOOPS`] are refused.
    fn loops(&self) -> u64 {
        1
    }
    /// Floating-point operations of one dispatch with a full batch.
    fn flops(&self) -> u64 {
        self.grid().iter().map(|&n| u64::from(n)).product()
    }
    /// How far a device may be off in a number however small that is, with these formulas: nothing but where a formula's value is written.
    fn floor(&self, _formulas: &Formulas) -> f64 {
        0.0
    }
    /// Cases for parity: at least four, one with a short batch.
    fn cases() -> Vec<Case>;
}

/// A kernel as the table and the plan hold it.
pub struct KernelInfo {
    /// See [`Kernel::NAME`].
    pub name: &'static str,
    /// See [`Kernel::VARIANTS`].
    pub variants: &'static [Variant],
    /// See [`Params::FIELDS`].
    pub fields: &'static [Field],
    /// See [`Kernel::grid`].
    pub grid: fn(&[u32]) -> [u32; 3],
    /// See [`Kernel::loops`].
    pub loops: fn(&[u32]) -> u64,
    /// See [`Kernel::flops`].
    pub flops: fn(&[u32]) -> u64,
    /// See [`Kernel::floor`].
    pub floor: fn(&[u32], &Formulas) -> f64,
    /// See [`Kernel::half`].
    pub half: fn(&[u32]) -> bool,
    /// See [`Kernel::trial`].
    pub trial: fn(bool) -> Option<Case>,
    /// The twin in `f32`.
    pub cpu32: fn(&[u32], &Step<'_>, &Args<'_, f32>),
    /// The twin in `f64`.
    pub cpu64: fn(&[u32], &Step<'_>, &Args<'_, f64>),
    /// See [`Kernel::cases`].
    pub cases: fn() -> Vec<Case>,
    /// See [`Kernel::USES`].
    pub uses: Uses,
    wgsl_of: fn(&[Variant]) -> String,
}

impl KernelInfo {
    /// The row of the table for a kernel.
    pub const fn of<K: Kernel>() -> Self {
        KernelInfo {
            name: K::NAME,
            variants: K::VARIANTS,
            fields: K::FIELDS,
            grid: |words| K::from_words(words).grid(),
            loops: |words| K::from_words(words).loops(),
            flops: |words| K::from_words(words).flops(),
            floor: |words, formulas| K::from_words(words).floor(formulas),
            half: |words| K::from_words(words).half(),
            trial: K::trial,
            cpu32: |words, step, args| K::from_words(words).cpu(step, args),
            cpu64: |words, step, args| K::from_words(words).cpu(step, args),
            cases: K::cases,
            uses: K::USES,
            wgsl_of: K::wgsl_of,
        }
    }

    /// The same kernel with other WGSL: for tests of what finds out that it is wrong.
    #[cfg(all(test, feature = "gpu"))]
    pub(crate) const fn doctored(self, wgsl_of: fn(&[Variant]) -> String) -> Self {
        KernelInfo { wgsl_of, ..self }
    }

    /// The whole module: the kernel's own text, the formulas that it has a place for, the common part. (Appended, so that line
    /// numbers in messages are the file's.)
    pub fn wgsl(&self, formulas: &Formulas) -> String {
        self.wgsl_of(self.variants, formulas)
    }

    /// The module with some of the variants.
    pub fn wgsl_of(&self, variants: &[Variant], formulas: &Formulas) -> String {
        (self.wgsl_of)(variants) + &formulas.wgsl(self.uses) + include_str!("../shaders/common.wgsl")
    }

    /// Whether a variant computes what a uniform asks for: of operands that are rounded to `f16`, or of whole ones.
    pub fn suits(&self, words: &[u32], variant: &Variant) -> bool {
        (self.half)(words) == variant.family.is_half()
    }

    /// The names of the entry points.
    pub fn entries(&self) -> Vec<String> {
        self.variants.iter().map(|v| v.entry.to_string()).collect()
    }
}

impl std::fmt::Debug for KernelInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A kernel with inputs, for parity: both executors run it, and the results are compared.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is special about it.
    pub name: String,
    /// The kernel's uniform.
    pub words: Vec<u32>,
    /// Members side by side.
    pub members: usize,
    /// The steps to run, one after the other.
    pub steps: Vec<CaseStep>,
    /// The buffers, in the order of the bindings.
    pub args: Vec<CaseArg>,
    /// The formulas that the kernel is filled with.
    pub formulas: Formulas,
    /// How far a result may be from the truth.
    pub tolerance: Tolerance,
}

/// One step of a case.
#[derive(Debug, Clone)]
pub struct CaseStep {
    /// Live rows.
    pub rows: usize,
    /// Where in the order the batch starts.
    pub start: usize,
    /// Where in the log the sums go.
    pub slot: usize,
    /// Which part of an accumulated batch it is.
    pub part: Part,
    /// Rates, one a member.
    pub rates: Vec<Rate>,
}

/// One buffer of a case.
#[derive(Debug, Clone)]
pub struct CaseArg {
    /// The name in WGSL.
    pub name: &'static str,
    /// What it holds before the first step.
    pub data: CaseData,
}

/// What a buffer of a case holds.
#[derive(Debug, Clone)]
pub enum CaseData {
    /// Numbers.
    F32(Vec<f32>),
    /// Words.
    U32(Vec<u32>),
    /// The table of steps itself, for the kernels that move its cursor.
    Steps,
}

/// How far a result may be from the truth, which is the twin in `f64`. A number passes when its error is within any one bound.
#[derive(Debug, Clone)]
pub struct Tolerance {
    /// Units in the last place of the true value.
    pub ulp: f64,
    /// An absolute floor.
    pub absolute: f64,
    /// For dot products: `factor · √terms · 2⁻²⁴ · Σ|aᵢbᵢ|`.
    pub dot: Option<Dot>,
}

/// The bound for dot products.
#[derive(Debug, Clone)]
pub struct Dot {
    /// Safety over the random-walk estimate.
    pub factor: f64,
    /// Terms of the sum.
    pub terms: usize,
    /// A uniform with which the twin, run on absolute values, gives `Σ|aᵢbᵢ|` (no activation, say).
    pub words: Vec<u32>,
}

impl Tolerance {
    /// The budget of elementwise kernels: so many units in the last place, or the floor.
    pub fn ulp(ulp: f64, absolute: f64) -> Self {
        Tolerance { ulp, absolute, dot: None }
    }
}
