//! Steps that one workgroup does whole: which ones, and that they learn what the ordinary plan learns.

#![cfg(feature = "gpu")]
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod devices;

use devices::devices;
use gradus::data::{Features, Table, Targets};
use gradus::exec::gpu::adapters;
use gradus::exec::{DeviceType, OpenDevice};
use gradus::optim::RmsProp;
use gradus::rng::{Purpose, Rng};
use gradus::train::{Member, Stop, Timing};
use gradus::{Activation, Adam, Clip, Dataset, Loss, Model, Momentum, Sgd, Trainer};

/// Rows of 12 features, and three classes or two numbers.
fn data(rows: usize, classes: bool) -> Dataset {
    let mut rng = Rng::new(3, Purpose::Synthetic, 0);
    let features = Features::F32((0..rows * 12).map(|_| rng.normal() as f32).collect());
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    let targets = match classes {
        true => Targets::Classes { of: (0..rows).map(|_| rng.below(3) as u32).collect(), names: names(&["a", "b", "c"]) },
        false => Targets::Values { of: (0..rows * 2).map(|_| rng.normal() as f32).collect(), names: names(&["u", "v"]) },
    };
    Dataset::new(Table::new(features, (0..12).map(|i| format!("x{i}")).collect(), targets).unwrap())
}

fn shader(trainer: &Trainer, device: &OpenDevice, data: &Dataset) -> Option<String> {
    let first = trainer.clone().build_on(device.clone()).unwrap().first_step(data).unwrap();
    device.whole_steps(&first.compiled.plan, first.program)
}

fn is_whole(trainer: &Trainer, device: &OpenDevice, data: &Dataset) -> bool {
    shader(trainer, device, data).is_some()
}

/// Adapters as if they were GPUs: those that bind as many buffers as such a shader wants (SwiftShader has 10 at most).
fn gpus() -> impl Iterator<Item = OpenDevice> {
    let binds = |device: &OpenDevice| {
        adapters().iter().any(|(info, limits)| info == device.info() && limits.max_storage_buffers_per_shader_stage >= 28)
    };
    let found = devices().into_iter().filter(move |device| device.info().kind != DeviceType::Cpu && binds(device));
    found.map(|device| device.taken_for(DeviceType::Discrete))
}

/// The weights' hash and the losses of all steps, of each member.
fn traces(trainer: &Trainer, device: &OpenDevice, data: &Dataset) -> Vec<(String, Vec<f32>)> {
    let (train, valid) = data.split(0.8);
    let report = trainer.clone().build_on(device.clone()).unwrap().fit(&train, &valid, Stop::after(3)).unwrap();
    report.members.iter().map(|member| (member.weights_hash.clone(), member.step_losses.clone())).collect()
}

#[test]
fn whole_steps_learn_what_the_ordinary_plan_learns() {
    let model = || Model::input(12).dense(20).relu().dense(3);
    let members = [1, 2, 3].map(|seed| Member { seed, lr: None });
    let cases = [
        (Trainer::new(model(), Loss::cross_entropy()).optimizer(Adam::new()).clip(Clip::Norm(1.0)), true),
        (Trainer::new(model(), Loss::cross_entropy()).optimizer(Sgd::new()), true),
        (
            Trainer::new(Model::input(12).dense(9).activation(Activation::named("gelu").unwrap()).dense(7).tanh().dense(2), Loss::mse())
                .optimizer(Momentum::new()),
            false,
        ),
        (Trainer::new(Model::input(12).dense(16).sigmoid().dropout(0.2).dense(2), Loss::mse()).clip(Clip::Value(0.1)), false),
        (Trainer::new(model(), Loss::cross_entropy()).optimizer(RmsProp::new()).accumulate(2), true),
        (Trainer::new(model(), Loss::cross_entropy()).members(members), true),
    ];
    for gpu in gpus() {
        let [apart, whole] = [false, true].map(|whole| gpu.clone().with_whole_steps(whole));
        // a GPU's compiler may make a multiply-add here and not there: an H100's does, in the loss
        let exact = gpu.info().driver.contains("llvmpipe");
        for (trainer, classes) in &cases {
            // 400 rows, four fifths of them to train on, are 13 batches of 24 and one of 8
            let (trainer, data) = (trainer.clone().batch(24), data(400, *classes));
            assert!(!is_whole(&trainer, &apart, &data) && is_whole(&trainer, &whole, &data), "{trainer:?}");
            let [apart, whole] = [&apart, &whole].map(|device| traces(&trainer, device, &data));
            if exact {
                assert_eq!(whole, apart, "{}, {trainer:?}", gpu.info());
            }
            for ((_, whole), (_, apart)) in whole.iter().zip(&apart) {
                let near = whole.iter().zip(apart).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs());
                assert!(near && whole.len() == apart.len(), "{}, {trainer:?}: {whole:?} for {apart:?}", gpu.info());
            }
        }
    }
}

#[test]
fn what_is_much_work_or_no_part_of_a_workgroup_is_done_kernel_by_kernel() {
    let of = |model: Model, batch: usize| Trainer::new(model, Loss::cross_entropy()).batch(batch);
    let small = || Model::input(12).dense(20).relu().dense(3);
    for gpu in gpus() {
        let (whole, data) = (gpu.with_whole_steps(true), data(2000, true));
        assert!(is_whole(&of(small(), 32), &whole, &data));
        // a step of ten dispatches may be 1.35 MFLOP: 6 · 300 weights · 32 rows are 0.06, with 400 units twice they are 32
        assert!(!is_whole(&of(Model::input(12).dense(400).relu().dense(400).relu().dense(3), 32), &whole, &data));
        // its kernels have 64 invocations that exchange sums
        assert!(!is_whole(&of(Model::input(12).dense(20).layer_norm().relu().dense(3), 32), &whole, &data));
    }
}

#[test]
fn steps_are_done_whole_where_many_are_expected() {
    let trainer = Trainer::new(Model::input(12).dense(20).relu().dense(3), Loss::cross_entropy());
    for gpu in gpus() {
        let expecting = |steps: u64| is_whole(&trainer, &gpu.clone().expecting(steps), &data(200, true));
        assert_eq!([0, 29_999, 30_000].map(expecting), [false, false, true], "{}", gpu.info());
    }
    // a software driver pays for each load, and the CPU path launches nothing
    for device in devices().into_iter().filter(|device| !device.info().kind.is_gpu()) {
        assert!(!is_whole(&trainer, &device.clone().expecting(1 << 40), &data(200, true)), "{}", device.info());
    }
}

#[test]
fn a_profile_changes_no_bit_and_says_how_long_whole_steps_take() {
    let trainer = Trainer::new(Model::input(12).dense(20).relu().dense(3), Loss::cross_entropy()).batch(24);
    let data = data(400, true);
    for gpu in gpus() {
        let gpu = gpu.with_whole_steps(true);
        let report = |timing| trainer.clone().timing(timing).build_on(gpu.clone()).unwrap().fit(&data, &data, Stop::after(2)).unwrap();
        let (plain, timed) = (report(Timing::Nothing), report(Timing::Steps));
        assert_eq!(timed.first().weights_hash, plain.first().weights_hash);
        assert_eq!(timed.first().step_losses, plain.first().step_losses);
        // 17 batches an epoch
        let profile = timed.profile.unwrap();
        assert_eq!(profile.others.iter().filter(|steps| steps.program == "train").map(|steps| steps.steps).sum::<usize>(), 2 * 17);
        assert!(profile.dispatches.iter().all(|dispatch| dispatch.program != "train"));
    }
}

#[test]
fn the_shader_translates_to_all_languages() {
    use naga::back::{glsl, hlsl, msl, spv};
    let trainer = Trainer::new(Model::input(12).dense(20).tanh().dropout(0.1).dense(3), Loss::cross_entropy()).clip(Clip::Norm(1.0));
    for gpu in gpus() {
        let wgsl = shader(&trainer, &gpu.with_whole_steps(true), &data(200, true)).unwrap();
        let module = naga::front::wgsl::parse_str(&wgsl).map_err(|e| e.emit_to_string(&wgsl)).unwrap();
        // nothing beyond the core of WebGPU
        let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        let info = validator.validate(&module).map_err(|e| e.emit_to_string(&wgsl)).unwrap();
        let (entry, stage) = (module.entry_points[0].name.clone(), naga::ShaderStage::Compute);

        let pipeline = spv::PipelineOptions { shader_stage: stage, entry_point: entry.clone() };
        assert!(!spv::write_vec(&module, &info, &spv::Options::default(), Some(&pipeline)).unwrap().is_empty());
        let options = msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
        let (metal, _) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default()).unwrap();
        let (mut direct, options) = (String::new(), hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..Default::default() });
        hlsl::Writer::new(&mut direct, &options, &hlsl::PipelineOptions::default()).write(&module, &info, None).unwrap();
        let mut open = String::new();
        let options = glsl::Options {
            version: glsl::Version::Desktop(450),
            binding_map: (0..64).map(|binding| (naga::ResourceBinding { group: 0, binding }, binding as u8)).collect(),
            ..Default::default()
        };
        let pipeline = glsl::PipelineOptions { shader_stage: stage, entry_point: entry, multiview: None };
        let policies = naga::proc::BoundsCheckPolicies::default();
        glsl::Writer::new(&mut open, &module, &info, &options, &pipeline, policies).unwrap().write().unwrap();
        for text in [metal, direct, open] {
            assert!(text.contains("whole_steps") || text.contains("void main"), "{text}");
        }
    }
}
