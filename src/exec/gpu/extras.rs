//! What adapters may offer beyond the core of WebGPU: asked for when a device is opened, and kept, so that whoever can use it may ask.

use wgpu::{CooperativeMatrixProperties, CooperativeScalarType, Features};

/// What a device has, or an adapter offers, beyond the core of WebGPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extras {
    features: Features,
    subgroup: [u32; 2],
    /// The sizes of cooperative matrices of `f16` whose products are summed in `f32`.
    matrices: Vec<u32>,
}

impl Extras {
    /// What is asked for wherever it is offered, and what is asked for besides with [`super::liberties::experimental`].
    pub(super) const WANTED: Features =
        Features::TIMESTAMP_QUERY.union(Features::TIMESTAMP_QUERY_INSIDE_PASSES).union(Features::SUBGROUP).union(Features::SHADER_F16);
    pub(super) const EXPERIMENTAL: Features = Features::EXPERIMENTAL_COOPERATIVE_MATRIX;

    /// What an adapter offers.
    pub(super) fn offered(adapter: &wgpu::Adapter) -> Self {
        Extras::new(adapter.features(), &adapter.get_info(), &adapter.cooperative_matrix_properties())
    }

    /// What a device was given by its adapter. The application's own device may have been given more, or less, and its adapter is not known: of
    /// cooperative matrices it is not known, then, which sizes there are.
    pub(super) fn granted(device: &wgpu::Device, adapter: Option<&wgpu::Adapter>) -> Self {
        let matrices = adapter.map_or_else(Vec::new, wgpu::Adapter::cooperative_matrix_properties);
        Extras::new(device.features(), &device.adapter_info(), &matrices)
    }

    fn new(features: Features, info: &wgpu::AdapterInfo, matrices: &[CooperativeMatrixProperties]) -> Self {
        // wgpu says 4 to 64 of all devices on Metal; subgroups of Apple's own GPUs are of 32
        let apple = info.backend == wgpu::Backend::Metal && info.name.starts_with("Apple");
        let subgroup = if apple { [32; 2] } else { [info.subgroup_min_size, info.subgroup_max_size] };
        let there = if features.contains(Self::EXPERIMENTAL) { matrices } else { &[] };
        Extras { features, subgroup, matrices: sizes(there) }
    }

    /// Whether all of these are there.
    pub fn has(&self, features: Features) -> bool {
        self.features.contains(features)
    }

    /// The smallest and the largest size of a subgroup; `None` where shaders have no subgroups.
    pub fn subgroups(&self) -> Option<[u32; 2]> {
        self.has(Features::SUBGROUP).then_some(self.subgroup)
    }

    /// The size of subgroups, where there are any and all have the same.
    pub(super) fn lanes(&self) -> Option<u32> {
        self.subgroups().and_then(|[min, max]| (min == max).then_some(max))
    }

    /// The sizes of cooperative matrices of `f16` whose products are summed in `f32`; none where they are not there, or are of other types.
    pub(super) fn matrices(&self) -> &[u32] {
        &self.matrices
    }

    /// Whether shaders know `f16`.
    pub(super) fn f16(&self) -> bool {
        self.has(Features::SHADER_F16)
    }

    /// Each by the name that `gradus devices` has for it, and what there is of it.
    pub fn list(&self) -> [(&'static str, String); 4] {
        let yes = |there: bool| if there { "yes" } else { "no" }.to_string();
        let timestamps = match (self.has(Features::TIMESTAMP_QUERY), self.has(Features::TIMESTAMP_QUERY_INSIDE_PASSES)) {
            (true, true) => "yes".to_string(),
            (true, false) => "around passes".to_string(),
            (false, _) => "no".to_string(),
        };
        let subgroups = match self.subgroups() {
            Some([min, max]) if min == max => format!("of {min}"),
            Some([min, max]) => format!("of {min} to {max}"),
            None => "no".to_string(),
        };
        let matrices = match (self.has(Self::EXPERIMENTAL), &self.matrices[..]) {
            (true, []) => "not of f16".to_string(),
            (true, sizes) => format!("of {}", sizes.iter().map(|n| format!("{n}x{n}")).collect::<Vec<_>>().join(" and ")),
            (false, _) => "no".to_string(),
        };
        [("timestamps", timestamps), ("subgroups", subgroups), ("f16", yes(self.f16())), ("cooperative matrix", matrices)]
    }
}

/// The sizes of the matrices that the products of halves are made of: square ones of `f16`, summed in `f32`. (WGSL has no other.)
fn sizes(matrices: &[CooperativeMatrixProperties]) -> Vec<u32> {
    let square = |m: &&CooperativeMatrixProperties| m.m_size == m.n_size && m.n_size == m.k_size;
    let mixed = |m: &&CooperativeMatrixProperties| (m.ab_type, m.cr_type) == (CooperativeScalarType::F16, CooperativeScalarType::F32);
    let mut sizes: Vec<u32> = matrices.iter().filter(square).filter(mixed).map(|m| m.m_size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_told_by_name() {
        let of = |features, subgroup, matrices: &[u32]| {
            Extras { features, subgroup, matrices: matrices.to_vec() }.list().map(|(_, there)| there)
        };
        assert_eq!(of(Features::empty(), [4, 128], &[]), ["no"; 4]);
        let all = Extras::WANTED | Extras::EXPERIMENTAL;
        assert_eq!(of(all, [32, 32], &[16]), ["yes", "of 32", "yes", "of 16x16"]);
        assert_eq!(of(all, [8, 8], &[8, 16])[3], "of 8x8 and 16x16");
        assert_eq!(of(all, [8, 8], &[])[3], "not of f16");
        assert_eq!(of(Features::TIMESTAMP_QUERY | Features::SUBGROUP, [8, 32], &[]), ["around passes", "of 8 to 32", "no", "no"]);
    }

    #[test]
    fn only_square_matrices_of_f16_that_are_summed_in_f32_are_of_use() {
        use CooperativeScalarType::{F16, F32, I32};
        let of = |[m_size, n_size, k_size]: [u32; 3], ab_type, cr_type| CooperativeMatrixProperties {
            m_size,
            n_size,
            k_size,
            ab_type,
            cr_type,
            saturating_accumulation: false,
        };
        let some = [
            of([16; 3], F16, F32),
            of([8, 16, 16], F16, F32),
            of([8, 8, 16], F16, F32),
            of([8; 3], F16, F16),
            of([8; 3], F32, F32),
            of([8; 3], I32, I32),
        ];
        assert_eq!(sizes(&some), [16]);
        assert_eq!(sizes(&[of([16; 3], F16, F32), of([8; 3], F16, F32), of([16; 3], F16, F32)]), [8, 16]);
        assert_eq!(sizes(&[]), [0; 0]);
    }
}
