//! The kernels, and the one table of them.

use crate::kernel::KernelInfo;

pub mod activation;
pub(crate) mod cases;
pub mod dense_delta;
pub mod dense_forward;
pub mod dense_gradient;
pub mod elementwise_loss;
pub mod finish;
pub mod gather;
pub mod metrics;
pub mod norm;
pub mod softmax_cross_entropy;
mod template;
pub mod update;

/// All kernels. Parity, translations, documentation and benchmarks walk this table.
pub static ALL: &[KernelInfo] = &[
    KernelInfo::of::<gather::Gather>(),
    KernelInfo::of::<gather::GatherBytes>(),
    KernelInfo::of::<dense_forward::DenseForward>(),
    KernelInfo::of::<dense_delta::DenseDelta>(),
    KernelInfo::of::<dense_gradient::DenseGradient>(),
    KernelInfo::of::<activation::Activate>(),
    KernelInfo::of::<activation::ActivateSlope>(),
    KernelInfo::of::<softmax_cross_entropy::SoftmaxCrossEntropy>(),
    KernelInfo::of::<elementwise_loss::ElementwiseLoss>(),
    KernelInfo::of::<metrics::Hits>(),
    KernelInfo::of::<metrics::Errors>(),
    KernelInfo::of::<norm::ClipValue>(),
    KernelInfo::of::<norm::NormPartials>(),
    KernelInfo::of::<finish::Finish>(),
    KernelInfo::of::<finish::Tally>(),
    KernelInfo::of::<update::Sgd>(),
    KernelInfo::of::<update::Momentum>(),
    KernelInfo::of::<update::Adam>(),
];

/// The kernel of a name.
pub fn named(name: &str) -> Option<&'static KernelInfo> {
    ALL.iter().find(|k| k.name == name)
}
