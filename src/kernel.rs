//! What a kernel is: a WGSL entry point and its Rust twin, the step they both read, and cases for parity.

use std::cell::{Ref, RefCell, RefMut};

/// A floating-point type that the CPU path computes in: `f32` to train, `f64` as the truth in parity tests.
pub trait Real: num_traits::Float + std::ops::AddAssign + std::ops::MulAssign + std::fmt::Debug + Send + Sync + 'static {
    /// From a uniform, a rate or a constant.
    fn of(x: f32) -> Self;
    /// To the widest type, for comparisons.
    fn wide(self) -> f64;
}

impl Real for f32 {
    fn of(x: f32) -> Self {
        x
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(x: f32) -> Self {
        f64::from(x)
    }
    fn wide(self) -> f64 {
        self
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
    /// The number of the step since training began.
    pub number: u32,
    rates: &'a [u32],
}

/// What one member needs for one step: the rate and three numbers that the optimizer works out on the host.
pub type Rate = [f32; 4];

impl<'a> Step<'a> {
    /// How many words a row of the table takes.
    pub fn words(members: usize) -> usize {
        4 + 4 * members
    }

    /// Puts a row at the end of a table.
    pub fn push(table: &mut Vec<u32>, rows: usize, start: usize, slot: usize, number: u32, rates: &[Rate]) {
        table.extend([rows as u32, start as u32, slot as u32, number]);
        table.extend(rates.iter().flatten().map(|r| r.to_bits()));
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
        Step { rows: row[0] as usize, start: row[1] as usize, slot: row[2] as usize, number: row[3], rates: &row[4..] }
    }

    /// How many rows a table has.
    pub fn rows_in(table: &[u32], members: usize) -> usize {
        (table.len() - Step::header(members)) / Step::words(members)
    }

    /// The rate of a member.
    pub fn rate(&self, member: usize) -> Rate {
        std::array::from_fn(|i| f32::from_bits(self.rates[4 * member + i]))
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
}

impl<'a, T: Real> Args<'a, T> {
    /// Binds the buffers numbered `bound`.
    pub fn new(cells: &'a [RefCell<Cells<T>>], bound: &'a [usize]) -> Self {
        Args { cells, bound }
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
    /// Elements an invocation makes in x and in y.
    pub tile: [u32; 2],
    /// Which adapters it was written for.
    pub suits: Suits,
}

/// Which adapters a variant of a kernel was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suits {
    /// All.
    Any,
    /// Those with workgroup memory close to the arithmetic: real GPUs.
    Hardware,
    /// Those where a workgroup is a loop on a CPU core: software drivers.
    Software,
}

/// A kernel: the type is its uniform, the function its meaning, the WGSL its speed.
pub trait Kernel: Params {
    /// The WGSL entry point (or the stem of its variants' names), and the label.
    const NAME: &'static str;
    /// The variants, all with the one twin. One of the same name as the kernel where there is nothing to choose.
    const VARIANTS: &'static [Variant] = &[Variant { entry: Self::NAME, tile: [1, 1], suits: Suits::Any }];
    /// The WGSL of the kernel's own file, its template filled in; the common part is appended by [`KernelInfo::wgsl`].
    fn wgsl() -> String;
    /// The elements of the grid: the executor divides by tile and workgroup size.
    fn grid(&self) -> [u32; 3];
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
    /// The twin in `f32`.
    pub cpu32: fn(&[u32], &Step<'_>, &Args<'_, f32>),
    /// The twin in `f64`.
    pub cpu64: fn(&[u32], &Step<'_>, &Args<'_, f64>),
    /// See [`Kernel::cases`].
    pub cases: fn() -> Vec<Case>,
    wgsl: fn() -> String,
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
            cpu32: |words, step, args| K::from_words(words).cpu(step, args),
            cpu64: |words, step, args| K::from_words(words).cpu(step, args),
            cases: K::cases,
            wgsl: K::wgsl,
        }
    }

    /// The whole module: the kernel's own text, then the common part. (Appended, so that line numbers in messages are the file's.)
    pub fn wgsl(&self) -> String {
        (self.wgsl)() + include_str!("../shaders/common.wgsl")
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
