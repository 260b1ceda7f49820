//! What adapters may offer beyond the core of WebGPU: asked for when a device is opened, and kept, so that whoever can use it may ask.

use wgpu::Features;

/// What a device has, or an adapter offers, beyond the core of WebGPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extras {
    features: Features,
    subgroup: [u32; 2],
}

impl Extras {
    /// What is asked for wherever it is offered. Cooperative matrices are not among them: wgpu hands them out to `unsafe` code only.
    pub(super) fn wanted() -> Features {
        Features::TIMESTAMP_QUERY | Features::TIMESTAMP_QUERY_INSIDE_PASSES | Features::SUBGROUP | Features::SHADER_F16
    }

    /// What an adapter offers.
    pub(super) fn offered(adapter: &wgpu::Adapter) -> Self {
        Extras::new(adapter.features(), &adapter.get_info())
    }

    /// What a device was given; the application's own device may have been given more, or less.
    pub(super) fn granted(device: &wgpu::Device) -> Self {
        Extras::new(device.features(), &device.adapter_info())
    }

    fn new(features: Features, info: &wgpu::AdapterInfo) -> Self {
        Extras { features, subgroup: [info.subgroup_min_size, info.subgroup_max_size] }
    }

    /// Whether all of these are there.
    pub fn has(&self, features: Features) -> bool {
        self.features.contains(features)
    }

    /// The smallest and the largest size of a subgroup; `None` where shaders have no subgroups.
    pub fn subgroups(&self) -> Option<[u32; 2]> {
        self.has(Features::SUBGROUP).then_some(self.subgroup)
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
        [
            ("timestamps", timestamps),
            ("subgroups", subgroups),
            ("f16", yes(self.f16())),
            ("cooperative matrix", yes(self.has(Features::EXPERIMENTAL_COOPERATIVE_MATRIX))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_told_by_name() {
        let of = |features, subgroup| Extras { features, subgroup }.list().map(|(_, there)| there);
        assert_eq!(of(Features::empty(), [4, 128]), ["no"; 4]);
        let all = Extras::wanted() | Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        assert_eq!(of(all, [32, 32]), ["yes", "of 32", "yes", "yes"]);
        assert_eq!(of(Features::TIMESTAMP_QUERY | Features::SUBGROUP, [8, 32]), ["around passes", "of 8 to 32", "no", "no"]);
    }
}
