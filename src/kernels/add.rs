//! The sum of two batches: where a layer's input goes past it and joins its output (He et al. 2015), and where its slopes meet again.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases;
use crate::kernels::layer_cases::Batch;
use crate::params;

params! {
    /// `c = a + b`, live rows only. Arguments: a, b and c, all `[members, rows, 4·width4]`.
    Add {
        /// Rows of a full batch.
        rows: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
    }
}

impl Kernel for Add {
    const NAME: &'static str = "add";

    fn wgsl() -> String {
        include_str!("../../shaders/add.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows * self.width4, 1, self.members]
    }

    fn flops(&self) -> u64 {
        4 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (a, b, mut c) = (args.real(0), args.real(1), args.real_mut(2));
        let width = 4 * self.width4 as usize;
        for member in 0..self.members as usize {
            let start = member * self.rows as usize * width;
            for at in start..start + step.rows * width {
                c[at] = a[at] + b[at];
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |batch: &Batch| {
            let kernel = Add { rows: batch.rows as u32, width4: batch.width4(), members: batch.members as u32 };
            let mut inputs = batch.inputs();
            let mut hard = batch.x(&mut inputs);
            hard.iter_mut().step_by(4).zip(cases::HARD.iter().cycle()).for_each(|(x, &hard)| *x = hard);
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("a", CaseData::F32(hard))
                .arg("b", batch.slopes(&mut inputs))
                .arg("c", cases::poison(batch.cells()))
                // one rounding; what is denormal may be flushed
                .within(Tolerance::ulp(1.0, 2e-38))
        };
        Batch::all().iter().map(case).collect()
    }
}
