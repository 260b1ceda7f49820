//! Which variant of a kernel runs: the one place where that is decided.

use super::Context;
use crate::exec::DeviceType;
use crate::kernel::{Family, KernelInfo, Variant};
use crate::plan::{Plan, Program};

/// So many invocations keep a real GPU busy: some tens of cores, each with a hundred of them to hide the waiting behind.
const INVOCATIONS: u64 = 4096;
/// So many workgroups do, with those of a large GPU twice over: of a hundred cores none is idle for long at the end.
const WORKGROUPS: u64 = 200;
/// k that shared tiles take at a time: with fewer terms there is nothing to share.
const TERMS: u64 = 16;

/// How many workgroups keep an adapter busy.
pub(super) fn workgroups(kind: DeviceType) -> usize {
    if kind.is_gpu() { WORKGROUPS as usize } else { 1 }
}

/// Whether the gather of a batch is part of the first layer's products: on a software driver, where it spares the batch's way to memory and back, 3 to 27 % of a
/// step. A GPU waits for the row's number before it can ask for the row, and is 2 to 5 % faster with a dispatch more. The CPU path copies its operands in any
/// case.
pub(super) fn fuses_gather(kind: DeviceType) -> bool {
    kind == DeviceType::Software
}

/// Up to so many floating-point operations of a member's step for each of its dispatches, one workgroup does the step sooner than the device launches its
/// kernels. On an H100, where a dispatch costs some 5 µs, 38 thousand (64-32-10 at batch 32) gain half of the step, 123 thousand (64-64-64-10) an eighth,
/// and 149 thousand (64-128-10) lose a sixth.
const WORKGROUP_FLOPS: u64 = 135_000;

/// Whether a step of the program is so little work for a member that one workgroup should do it all.
pub(super) fn fits_a_workgroup(plan: &Plan, program: &Program) -> bool {
    program.name == Program::TRAIN && program.flops() <= WORKGROUP_FLOPS * (plan.members * program.dispatches.len()) as u64
}

/// What the choice depends on besides the shape.
#[derive(Debug, Clone)]
pub(super) struct Adapter {
    kind: DeviceType,
    /// The size of subgroups, where there are any and all have the same.
    lanes: Option<u32>,
    /// Whether shaders know `f16`.
    f16: bool,
    /// The sizes of matrices that a subgroup multiplies together.
    matrices: Vec<u32>,
    /// The entry points that it got wrong when they were tried.
    wrong: Vec<&'static str>,
}

impl From<&Context> for Adapter {
    fn from(context: &Context) -> Self {
        let extras = context.extras();
        let matrices = extras.matrices().to_vec();
        Adapter { kind: context.info().kind, lanes: extras.lanes(), f16: extras.f16(), matrices, wrong: context.wrong() }
    }
}

impl Adapter {
    /// Whether it can run a variant.
    pub(super) fn runs(&self, variant: &Variant) -> bool {
        if self.wrong.contains(&variant.entry) {
            return false;
        }
        match variant.family {
            Family::Subgroup(lanes) => self.lanes == Some(lanes),
            Family::SharedHalf(_) => self.f16,
            Family::Cooperative { size, lanes } => self.f16 && self.matrices.contains(&size) && self.lanes == Some(lanes),
            Family::Direct | Family::Software | Family::Shared(_) => true,
        }
    }
}

/// The variant of a kernel for a uniform and an adapter: by shape, never by timing, and not by how many members there are, so that
/// a member's numbers do not depend on its neighbours.
///
/// A software driver runs a workgroup as a loop on one core, and pays for every load: a subgroup that shares what it loads is best, and where
/// there is none of the right size the largest register tile. A real GPU wants its operands through workgroup memory, in the largest tile that
/// still leaves enough workgroups to fill it and does not hang far over the edges of the matrix. Sums of a few terms it takes straight from
/// memory. Operands that are rounded to `f16` go through workgroup memory on every adapter, in a tile chosen the same way: by tensor cores where a
/// real GPU has some.
pub(super) fn choose(kernel: &KernelInfo, words: &[u32], adapter: &Adapter) -> &'static Variant {
    let grid = (kernel.grid)(words);
    let covered = |tile: [u32; 2]| u64::from(grid[0].div_ceil(tile[0])) * u64::from(grid[1].div_ceil(tile[1]));
    let area = |tile: [u32; 2]| u64::from(tile[0]) * u64::from(tile[1]);
    let of = |wanted: fn(&Family) -> bool| kernel.variants.iter().filter(move |v| wanted(&v.family));

    let direct = || of(|family| *family == Family::Direct);
    let half = (kernel.half)(words);
    if adapter.kind == DeviceType::Software && !half {
        let sharing = of(|family| matches!(family, Family::Subgroup(_))).find(|v| adapter.runs(v));
        let largest = || of(|family| matches!(family, Family::Direct | Family::Software)).max_by_key(|v| area(v.tile));
        return sharing.or_else(largest).expect("every kernel has a direct variant");
    }
    let terms = (kernel.flops)(words) / (2 * grid.iter().map(|&n| u64::from(n)).product::<u64>()).max(1);
    let cooperative = || of(|family| matches!(family, Family::Cooperative { .. }));
    // where one was wrong, the others are not relied upon
    let right = cooperative().all(|v| !adapter.wrong.contains(&v.entry));
    let tensor = half && adapter.kind != DeviceType::Software && right && cooperative().any(|v| adapter.runs(v));
    let shared = || {
        kernel.variants.iter().filter_map(|v| match v.family {
            Family::Shared(block) if !half => Some((v, block)),
            Family::SharedHalf(block) if half && !tensor => Some((v, block)),
            Family::Cooperative { .. } if tensor && adapter.runs(v) => Some((v, v.tile)),
            _ => None,
        })
    };
    if let Some((least, small)) = shared().min_by_key(|(_, block)| area(*block)).filter(|_| half || terms >= TERMS) {
        let cost = |block: [u32; 2]| covered(block) * area(block);
        let filling = shared().filter(|(_, block)| covered(*block) >= WORKGROUPS && 4 * cost(*block) <= 5 * cost(small));
        return filling.max_by_key(|(_, block)| area(*block)).map_or(least, |(v, _)| v);
    }
    let filling = direct().filter(|v| covered(v.tile) >= INVOCATIONS).max_by_key(|v| area(v.tile));
    filling.or_else(|| direct().min_by_key(|v| area(v.tile))).expect("every kernel has a direct variant")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Params as _;
    use crate::kernels::dense_layer::DenseLayer;
    use crate::kernels::named;

    /// What runs forward, for δ and for the weight gradient of a layer.
    fn chosen(adapter: &Adapter, shape: [u32; 3], members: u32, half: bool) -> [&'static str; 3] {
        let layer = DenseLayer { half, ..DenseLayer::alone(shape, members) };
        let [forward, delta, gradient] = [layer.forward().words(), layer.delta().words(), layer.gradient().words()];
        [("dense_forward", forward), ("dense_delta", delta), ("dense_gradient", gradient)].map(|(name, words)| {
            let entry = choose(named(name).unwrap(), &words, adapter).entry;
            entry.strip_prefix(name).unwrap().trim_start_matches('_')
        })
    }

    #[test]
    #[rustfmt::skip]
    fn a_matrix_product_runs_in_the_tile_of_its_shape_and_adapter() {
        use DeviceType::{Discrete, Integrated, Software};
        let of = |kind| Adapter { kind, lanes: None, f16: false, matrices: Vec::new(), wrong: Vec::new() };
        let lanes = |lanes| Adapter { lanes: Some(lanes), ..of(Software) };
        let wrong = Adapter { wrong: vec!["dense_forward_subgroup_8", "dense_gradient_subgroup_8"], ..lanes(8) };
        for (adapter, shape, wanted) in [
            // a software driver: by the subgroup, or else the largest register tile
            (lanes(8),       [32, 64, 10],       ["subgroup_8", "subgroup_8", "subgroup_8"]),
            (lanes(8),       [1024, 784, 256],   ["subgroup_8", "subgroup_8", "subgroup_8"]),
            (lanes(16),      [1024, 784, 256],   ["8x16", "8x16", "8x16"]),
            (of(Software),   [1024, 784, 256],   ["8x16", "8x16", "8x16"]),
            // what a driver got wrong when it was tried is not used
            (wrong,          [1024, 784, 256],   ["8x16", "subgroup_8", "8x16"]),
            // small layers leave most of a GPU idle in any larger tile
            (of(Discrete),   [32, 784, 256],     ["shared_32x32", "shared_32x32", "shared_32x32"]),
            (of(Integrated), [128, 784, 256],    ["shared_32x32", "shared_32x32", "shared_32x32"]),
            // 16·16 tiles of 64 rows and columns are 256 workgroups; 8·8 of 128 are 64
            (of(Discrete),   [1024, 1024, 1024], ["shared_64x64", "shared_64x64", "shared_64x64"]),
            (of(Integrated), [4096, 4096, 4096], ["shared_128x128", "shared_128x128", "shared_128x128"]),
            // 10 columns hang over the edge of any tile, and least over that of the smallest; sums of 12 terms have nothing to share
            (of(Discrete),   [65_536, 256, 10],  ["shared_32x32", "8x8", "shared_32x32"]),
            // sums of two terms have nothing to share
            (of(Discrete),   [1024, 2, 1024],    ["8x8", "shared_32x32", "shared_32x32"]),
            (of(Discrete),   [8, 2, 16],         ["4x4", "shared_32x32", "4x4"]),
        ] {
            assert_eq!(chosen(&adapter, shape, 1, false), wanted, "{adapter:?}, {shape:?}");
            assert_eq!(chosen(&adapter, shape, 64, false), wanted, "members are of no account");
        }
    }

    #[test]
    fn halves_go_through_workgroup_memory_on_every_adapter() {
        use DeviceType::{Discrete, Software};
        for (kind, shape, wanted) in [
            // as whole numbers do on a real GPU
            (Software, [32, 784, 256], "half_32x32"),
            (Discrete, [32, 784, 256], "half_32x32"),
            (Discrete, [1024, 1024, 1024], "half_64x64"),
            (Discrete, [4096, 4096, 4096], "half_128x128"),
            // sums of two terms, too
            (Discrete, [8, 2, 16], "half_32x32"),
        ] {
            let adapter = Adapter { kind, lanes: Some(8), f16: true, matrices: Vec::new(), wrong: Vec::new() };
            assert_eq!(chosen(&adapter, shape, 1, true), [wanted; 3], "{kind:?}, {shape:?}");
        }
    }

    #[test]
    fn halves_are_multiplied_by_tensor_cores_where_a_gpu_has_those_of_a_variant() {
        use DeviceType::{Discrete, Integrated, Software};
        let large = [4096, 4096, 4096];
        let of = |kind, matrices: &[u32], lanes| Adapter { kind, lanes, f16: true, matrices: matrices.to_vec(), wrong: Vec::new() };
        for (adapter, shape, wanted) in [
            // NVIDIA's and Apple's
            (of(Discrete, &[16], Some(32)), [32, 784, 256], "cooperative_16_32_32x32"),
            (of(Discrete, &[16], Some(32)), [1024, 1024, 1024], "cooperative_16_32_64x64"),
            (of(Discrete, &[16], Some(32)), large, "cooperative_16_32_128x128"),
            (of(Integrated, &[8], Some(32)), large, "cooperative_8_32_64x64"),
            // sums of two terms, too
            (of(Discrete, &[16], Some(32)), [8, 2, 16], "cooperative_16_32_32x32"),
            // no size of subgroups, or one that no variant has
            (of(Discrete, &[16], None), large, "half_128x128"),
            (of(Discrete, &[16], Some(64)), large, "half_128x128"),
            (of(Discrete, &[], Some(32)), large, "half_128x128"),
            (Adapter { f16: false, ..of(Discrete, &[16], Some(32)) }, large, "half_128x128"),
            // a software driver has no tensor cores, whatever it offers
            (of(Software, &[8], Some(8)), large, "half_128x128"),
        ] {
            assert_eq!(chosen(&adapter, shape, 1, true), [wanted; 3], "{adapter:?}, {shape:?}");
            assert!(chosen(&adapter, shape, 1, false).iter().all(|entry| !entry.contains("cooperative")), "{adapter:?}, {shape:?}");
        }
        // where it got one wrong in a kernel, that has the halves
        let wrong = Adapter { wrong: vec!["dense_forward_cooperative_16_32_32x32"], ..of(Discrete, &[16], Some(32)) };
        assert_eq!(chosen(&wrong, large, 1, true), ["half_128x128", "cooperative_16_32_128x128", "cooperative_16_32_128x128"]);
    }

    #[test]
    fn every_kernel_has_a_variant_for_every_kind_of_adapter() {
        for kernel in crate::kernels::all() {
            let case = (kernel.cases)().swap_remove(0);
            for kind in [DeviceType::Discrete, DeviceType::Integrated, DeviceType::Virtual, DeviceType::Other, DeviceType::Software] {
                let entry =
                    choose(kernel, &case.words, &Adapter { kind, lanes: Some(8), f16: false, matrices: Vec::new(), wrong: Vec::new() })
                        .entry;
                assert!(kernel.entries().iter().any(|own| own == entry), "{kernel:?} has no `{entry}`");
            }
        }
    }
}
