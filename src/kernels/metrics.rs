//! What metrics are counted from: hits of a classifier and errors of a regression, one record a row, which `tally` adds up; and the confusion of
//! classes, counted by atomics of whole numbers, whose order does not matter.

use crate::formula::{Link, class_of};
use crate::kernel::{Args, Case, CaseData, Kernel, Params as _, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::params;
use crate::plan::padded;

params! {
    /// `stats[m, r] = ([argmaxⱼ z[m, r, j] = y], [y is among the `top` largest], 0, 0)`. With one output, the class is 1 where it is above 0.
    /// Arguments: predictions `[members, rows, stride]`, classes `[n]`, order `[members, order_stride]`, stats `[members, rows, 4]`.
    Hits {
        /// Rows of a full batch.
        rows: u32,
        /// Classes.
        outputs: u32,
        /// From one row of predictions to the next.
        stride: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
        /// How many of the largest outputs count.
        top: u32,
    }
}

params! {
    /// `counts[m, y, p] += 1` for each row of class y that is taken for p, as [`Hits`] takes it. Arguments: predictions, classes and order as
    /// there, counts `[members, classes, classes]`, which the host sets to 0.
    Confusion {
        /// Rows of a full batch.
        rows: u32,
        /// Outputs.
        outputs: u32,
        /// From one row of predictions to the next.
        stride: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
        /// Classes: as many as outputs, or two of one output.
        classes: u32,
    }
}

params! {
    /// `stats[m, r] = (Σⱼ e², Σⱼ |e|, 0, 0)`, `e = (link(p) − t)·units[j]`. Arguments as [`Hits`], with values `[n, outputs]` in place of classes,
    /// and behind them units `[outputs]`.
    Errors {
        /// Rows of a full batch.
        rows: u32,
        /// Outputs.
        outputs: u32,
        /// From one row of predictions to the next.
        stride: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
        /// What an output is put through: 0 nothing, 1 the sigmoid, 2 the exponential.
        link: u32,
    }
}

impl Kernel for Hits {
    const NAME: &'static str = "hits";

    fn wgsl() -> String {
        include_str!("../../shaders/metrics.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        self.outputs.into()
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (predictions, classes, order, mut stats) = (args.real(0), args.word(1), args.word(2), args.real_mut(3));
        for member in 0..self.members as usize {
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            for (r, &row) in order.iter().enumerate() {
                let at = member * self.rows as usize + r;
                let z = &predictions[at * self.stride as usize..][..self.outputs as usize];
                let y = classes[row as usize] as usize;
                let flag = |hit: bool| if hit { T::one() } else { T::zero() };
                let hit = flag(class_of(z) == y);
                // with one output, two places hold both classes; else those before y are larger, or as large with a higher number, as in
                // scikit-learn, and what is not finite is among none: no number is before a NaN
                let before = if z.len() == 1 { 0 } else { (0..z.len()).filter(|&j| z[j] > z[y] || (z[j] == z[y] && j > y)).count() };
                let finite = z.len() == 1 || z[y].is_finite();
                let among = if z.len() == 1 && self.top == 1 { hit } else { flag(finite && before < self.top as usize) };
                stats[4 * at..][..4].copy_from_slice(&[hit, among, T::zero(), T::zero()]);
            }
        }
    }

    fn cases() -> Vec<Case> {
        shapes(|rows, live, outputs, members, inputs| {
            let kernel = Hits {
                rows: rows as u32,
                outputs: outputs as u32,
                stride: padded(outputs) as u32,
                order_stride: rows as u32 + 8,
                members: members as u32,
                top: 1 + outputs as u32 / 3,
            };
            // few distinct values, so that there are ties
            let mut logits: Vec<f32> = inputs.numbers(members * rows * outputs).iter().map(|x| (2.0 * x).round()).collect();
            // what has overflowed is no hit among several
            if members > 1 {
                logits.iter_mut().step_by(5).for_each(|z| *z = f32::INFINITY);
            }
            cases::case(&kernel, format!("{rows}x{outputs} members {members}"), members, &[rows, live, rows])
                .arg("predictions", CaseData::F32(cases::pad(&logits, outputs)))
                .arg("classes", CaseData::U32(inputs.indices(rows, outputs.max(2))))
                .within(Tolerance::ulp(0.0, 0.0))
        })
    }
}

impl Kernel for Confusion {
    const NAME: &'static str = "confusion";

    fn wgsl() -> String {
        Hits::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        self.outputs.into()
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (predictions, classes, order, mut counts) = (args.real(0), args.word(1), args.word(2), args.word_mut(3));
        let k = self.classes as usize;
        for member in 0..self.members as usize {
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            for (r, &row) in order.iter().enumerate() {
                let at = member * self.rows as usize + r;
                let z = &predictions[at * self.stride as usize..][..self.outputs as usize];
                counts[(member * k + classes[row as usize] as usize) * k + class_of(z)] += 1;
            }
        }
    }

    fn cases() -> Vec<Case> {
        let shapes = [(1, 1, 1, 1), (32, 4, 10, 1), (15, 7, 7, 3), (64, 63, 257, 1), (65_537, 1000, 2, 1), (100_000, 5, 1, 1)];
        let make = shapes.map(|(rows, live, outputs, members)| {
            let mut inputs = Inputs::new(rows + outputs);
            let classes = outputs.max(2);
            let kernel = Confusion {
                rows: rows as u32,
                outputs: outputs as u32,
                stride: padded(outputs) as u32,
                order_stride: rows as u32 + 8,
                members: members as u32,
                classes: classes as u32,
            };
            let logits: Vec<f32> = inputs.numbers(members * rows * outputs).iter().map(|x| (2.0 * x).round()).collect();
            cases::case(&kernel, format!("{rows}x{outputs} members {members}"), members, &[rows, live, rows])
                .arg("predictions", CaseData::F32(cases::pad(&logits, outputs)))
                .arg("classes", CaseData::U32(inputs.indices(rows, classes)))
                .arg("order", CaseData::U32(inputs.indices(members * (rows + 8), rows)))
                .arg("counts", CaseData::U32(vec![0; members * classes * classes]))
                .within(Tolerance::ulp(0.0, 0.0))
        });
        make.into()
    }
}

impl Kernel for Errors {
    const NAME: &'static str = "errors";

    fn wgsl() -> String {
        Hits::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        self.outputs.into()
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (predictions, values, order, mut stats) = (args.real(0), args.real(1), args.word(2), args.real_mut(3));
        let units = args.real(4);
        let link = Link::of_word(self.link);
        for member in 0..self.members as usize {
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            for (r, &row) in order.iter().enumerate() {
                let at = member * self.rows as usize + r;
                let outputs = self.outputs as usize;
                let mut sums = [T::zero(); 4];
                let answers = &predictions[at * self.stride as usize..][..outputs];
                for ((&p, &t), &unit) in answers.iter().zip(&values[row as usize * outputs..]).zip(&*units) {
                    let e = (link.apply(p) - t) * unit;
                    sums[0] += e * e;
                    sums[1] += e.abs();
                }
                stats[4 * at..][..4].copy_from_slice(&sums);
            }
        }
    }

    fn cases() -> Vec<Case> {
        shapes(|rows, live, outputs, members, inputs| {
            let kernel = Errors {
                rows: rows as u32,
                outputs: outputs as u32,
                stride: padded(outputs) as u32,
                order_stride: rows as u32 + 8,
                members: members as u32,
                link: outputs as u32 % 3,
            };
            cases::case(&kernel, format!("{rows}x{outputs} members {members}"), members, &[rows, live, rows])
                .arg("predictions", inputs.rows(members * rows, outputs))
                .arg("values", CaseData::F32(inputs.numbers(rows * outputs)))
                // sums of up to 257 terms below 16, each with a rounding of p − t
                .within(Tolerance::ulp(32.0, 4e-6))
        })
        .into_iter()
        .map(|case| {
            // powers of two, so that they round nothing
            let outputs = Errors::from_words(&case.words).outputs;
            case.arg("units", CaseData::F32((0..outputs).map(|j| [1.0, 0.5, 2.0][j as usize % 3]).collect()))
        })
        .collect()
    }
}

fn shapes(make: impl Fn(usize, usize, usize, usize, &mut Inputs) -> Case) -> Vec<Case> {
    // the last has more than 65,535 workgroups of 64 and must be folded
    let shapes = [(1, 1, 1, 1), (32, 4, 10, 1), (15, 7, 7, 3), (64, 63, 257, 1), (65_537, 1000, 2, 1), (4_200_000, 5, 1, 1)];
    let whole = shapes.map(|(rows, live, outputs, members)| {
        let mut inputs = Inputs::new(rows + outputs);
        let case = make(rows, live, outputs, members, &mut inputs);
        case.arg("order", CaseData::U32(inputs.indices(members * (rows + 8), rows))).arg("stats", cases::poison(members * rows * 4))
    });
    whole.into()
}
