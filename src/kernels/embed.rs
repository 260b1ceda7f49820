//! Columns of codes as vectors that are learned: PyTorch's `Embedding` for each such column of a row, the numbers beside them passed on.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::parallel::over_members;
use crate::params;
use crate::plan::padded;

params! {
    /// `y[m, r, j] = W[m, at + x[m, r, c]·stride + e]`, or `x[m, r, c]` of a number. Arguments: places `[width, 4]`, x `[members, rows, 4·inputs4]`,
    /// the arena of parameters, y `[members, rows, 4·width4]`. A place is `[c, at, stride, e]` for a column of y: which column of x it comes from,
    /// where the table of vectors begins in the arena, how far its rows lie apart (0 for a number), and which element of a vector it is.
    Embed {
        /// Rows of a full batch.
        rows: u32,
        /// Groups of four columns of x.
        inputs4: u32,
        /// Columns of y.
        width: u32,
        /// Groups of four columns of y.
        width4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// How many of the columns of y are of vectors (for the count of what is moved).
        vectors: u32,
    }
}

params! {
    /// `∂C/∂W[m, v, e] = Σᵣ g[m, r, first + e]` over the rows with `x[m, r, c] = v`, r upwards. Arguments: tables `[tables, 8]`, x
    /// `[members, rows, 4·inputs4]`, g `[members, rows, 4·width4]`, the arena of gradients. A table is `[end, c, first, elements, stride4, to4, 0, 0]`:
    /// where it ends among the groups of four of all tables, its column of x, its first one of g, the elements of a vector, and in groups of four
    /// how far its rows lie apart and where it begins in the arena.
    EmbedGradient {
        /// Rows of a full batch.
        rows: u32,
        /// Groups of four columns of x.
        inputs4: u32,
        /// Groups of four columns of g.
        width4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Groups of four of all tables.
        total4: u32,
        /// Tables.
        tables: u32,
    }
}

impl Kernel for Embed {
    const NAME: &'static str = "embed";

    fn wgsl() -> String {
        include_str!("../../shaders/embed.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.width4 * self.rows, 1, self.members]
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (places, x, params, mut y) = (&*args.word(0), &*args.real(1), &*args.real(2), args.real_mut(3));
        let (inputs, stride, rows) = (4 * self.inputs4 as usize, 4 * self.width4 as usize, self.rows as usize);
        let places = &places.as_chunks::<4>().0[..self.width as usize];
        let operations = u64::from(self.members) * (rows * stride) as u64;
        over_members(&mut y, self.members, rows * stride, operations, |member, y| {
            let params = &params[4 * member * self.arena4 as usize..];
            let x = &x[member * rows * inputs..];
            for (y, x) in y.chunks_exact_mut(stride).zip(x.chunks_exact(inputs)).take(step.rows) {
                for (y, &[column, at, stride, element]) in y.iter_mut().zip(places) {
                    let value = x[column as usize];
                    *y = match stride {
                        0 => value,
                        _ => params[at as usize + code(value) * stride as usize + element as usize],
                    };
                }
                y[self.width as usize..].fill(T::zero());
            }
        });
    }

    fn cases() -> Vec<Case> {
        shapes().map(|shape| shape.forward()).collect()
    }
}

impl Kernel for EmbedGradient {
    const NAME: &'static str = "embed_gradient";

    fn wgsl() -> String {
        Embed::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.total4, 1, self.members]
    }

    fn loops(&self) -> u64 {
        u64::from(self.tables) + u64::from(self.rows.div_ceil(2))
    }

    fn flops(&self) -> u64 {
        4 * u64::from(self.members) * u64::from(self.rows) * u64::from(self.width4)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (tables, x, g, mut grads) = (&*args.word(0), &*args.real(1), &*args.real(2), args.real_mut(3));
        let (inputs, width, rows) = (4 * self.inputs4 as usize, 4 * self.width4 as usize, self.rows as usize);
        let operations = u64::from(self.members) * (rows * width) as u64;
        over_members(&mut grads, self.members, 4 * self.arena4 as usize, operations, |member, arena| {
            let (x, g) = (&x[member * rows * inputs..], &g[member * rows * width..]);
            let mut before = 0;
            for &[end, column, first, elements, stride4, to4, ..] in tables.as_chunks::<8>().0.iter().take(self.tables as usize) {
                let table = &mut arena[4 * to4 as usize..][..4 * (end - before) as usize];
                table.fill(T::zero());
                for (x, g) in x.chunks_exact(inputs).zip(g.chunks_exact(width)).take(step.rows) {
                    let vector = &mut table[4 * code(x[column as usize]) * stride4 as usize..][..elements as usize];
                    vector.iter_mut().zip(&g[first as usize..]).for_each(|(sum, &g)| *sum += g);
                }
                before = end;
            }
        });
    }

    fn cases() -> Vec<Case> {
        shapes().map(|shape| shape.backward()).collect()
    }
}

/// The number of a row of a table, which the host has seen to be one.
fn code<T: Real>(value: T) -> usize {
    value.to_usize().unwrap_or(0)
}

/// A batch of rows for parity: each input is a number, or a code for a table of so many vectors of so many elements.
struct Shape {
    rows: usize,
    live: usize,
    members: usize,
    inputs: &'static [Option<[usize; 2]>],
}

/// One code alone; numbers around codes, with vectors that are no whole groups of four, and one of one row; more codes than rows; many rows.
fn shapes() -> impl Iterator<Item = Shape> {
    let shape = |rows, live, members, inputs| Shape { rows, live, members, inputs };
    [
        shape(1, 1, 1, &[Some([2, 1])][..]),
        shape(33, 7, 3, &[None, Some([5, 3]), None, None, Some([1, 9]), Some([12, 4]), None]),
        shape(16, 9, 1, &[Some([3000, 50]), None]),
        shape(257, 129, 3, &[None, None, None, None, Some([7, 6]), Some([40, 13])]),
        shape(65_537, 65_535, 1, &[Some([3, 2]), Some([4, 1])]),
    ]
    .into_iter()
}

impl Shape {
    fn width(&self) -> usize {
        self.inputs.iter().map(|input| input.map_or(1, |[_, elements]| elements)).sum()
    }

    /// Where each table begins in a member's arena, in which something lies before them, and between them; then the arena's length.
    fn starts(&self) -> (Vec<usize>, usize) {
        let mut at = 64;
        let mut place = |input: &Option<[usize; 2]>| {
            let start = at;
            at += input.map_or(0, |[codes, elements]| (codes * padded(elements)).next_multiple_of(64));
            start
        };
        (self.inputs.iter().map(&mut place).collect(), at + 64)
    }

    fn name(&self) -> String {
        format!("{} rows of {} as {} members {}", self.rows, self.inputs.len(), self.width(), self.members)
    }

    /// Rows of inputs; the last code of each table is among them, and so is the first.
    fn x(&self, inputs: &mut Inputs) -> CaseData {
        let mut x = inputs.numbers(self.members * self.rows * self.inputs.len());
        for (i, value) in x.iter_mut().enumerate() {
            if let Some([codes, _]) = self.inputs[i % self.inputs.len()] {
                let row = i / self.inputs.len();
                *value = (if row.is_multiple_of(5) { codes - 1 } else { inputs.indices(1, codes)[0] as usize }) as f32;
            }
        }
        CaseData::F32(cases::pad(&x, self.inputs.len()))
    }

    fn forward(&self) -> Case {
        let mut inputs = Inputs::new(self.rows);
        let (starts, arena) = self.starts();
        let mut places = Vec::new();
        for (column, (input, start)) in self.inputs.iter().zip(&starts).enumerate() {
            match input {
                None => places.extend([column as u32, 0, 0, 0]),
                Some([_, elements]) => {
                    places.extend((0..*elements).flat_map(|e| [column as u32, *start as u32, padded(*elements) as u32, e as u32]));
                }
            }
        }
        let kernel = Embed {
            rows: self.rows as u32,
            inputs4: self.inputs.len().div_ceil(4) as u32,
            width: self.width() as u32,
            width4: self.width().div_ceil(4) as u32,
            members: self.members as u32,
            arena4: arena as u32 / 4,
            vectors: self.inputs.iter().flatten().map(|[_, elements]| *elements as u32).sum(),
        };
        cases::case(&kernel, self.name(), self.members, &[self.rows, self.live, self.rows])
            .arg("places", CaseData::U32(places))
            .arg("x", self.x(&mut inputs))
            .arg("params", CaseData::F32(inputs.numbers(self.members * arena)))
            .arg("y", cases::poison(self.members * self.rows * padded(self.width())))
            .within(Tolerance::ulp(0.0, 0.0))
    }

    fn backward(&self) -> Case {
        let mut inputs = Inputs::new(self.rows + 1);
        let (starts, arena) = self.starts();
        let (mut tables, mut total4, mut first) = (Vec::new(), 0, 0);
        for (column, (input, start)) in self.inputs.iter().zip(&starts).enumerate() {
            if let Some([codes, elements]) = input {
                let stride4 = elements.div_ceil(4);
                total4 += codes * stride4;
                tables.extend([total4, column, first, *elements, stride4, start / 4, 0, 0].map(|n| n as u32));
            }
            first += input.map_or(1, |[_, elements]| elements);
        }
        let kernel = EmbedGradient {
            rows: self.rows as u32,
            inputs4: self.inputs.len().div_ceil(4) as u32,
            width4: self.width().div_ceil(4) as u32,
            members: self.members as u32,
            arena4: arena as u32 / 4,
            total4: total4 as u32,
            tables: tables.len() as u32 / 8,
        };
        cases::case(&kernel, self.name(), self.members, &[self.rows, self.live, self.rows])
            .arg("tables", CaseData::U32(tables))
            .arg("x", self.x(&mut inputs))
            .arg("g", inputs.rows(self.members * self.rows, self.width()))
            .arg("grads", cases::poison(self.members * arena))
            // a sum of up to 65,537 numbers below 1, in the order of the twin
            .within(Tolerance::ulp(16.0, 1e-7))
            .dot(self.rows, &kernel)
    }
}
