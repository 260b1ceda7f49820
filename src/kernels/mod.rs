//! The kernels, and the one table of them.

use crate::kernel::KernelInfo;
use by_row::ByRow;

pub mod accumulate;
pub mod activation;
pub mod add;
pub mod batch_norm;
pub mod by_row;
pub(crate) mod cases;
pub mod dense_delta;
pub mod dense_forward;
pub mod dense_gradient;
pub mod dense_layer;
pub mod dropout;
pub mod elementwise_loss;
pub mod embed;
pub mod finish;
pub mod flow;
pub mod gather;
pub mod gaussian_nll;
mod layer_cases;
pub mod layer_norm;
pub mod metrics;
pub mod norm;
pub mod running_stats;
pub mod softmax;
pub mod softmax_cross_entropy;
pub mod sum_slices;
mod template;
pub mod update;

/// All kernels but those of the optimizers, which have a table of their own: [`update::TABLE`].
static TABLE: &[KernelInfo] = &[
    KernelInfo::of::<gather::Gather>(),
    KernelInfo::of::<gather::GatherBytes>(),
    KernelInfo::of::<embed::Embed>(),
    KernelInfo::of::<embed::EmbedGradient>(),
    KernelInfo::of::<dense_forward::DenseForward>(),
    KernelInfo::of::<ByRow<dense_forward::DenseForward, false>>(),
    KernelInfo::of::<ByRow<dense_forward::DenseForward, true>>(),
    KernelInfo::of::<dense_delta::DenseDelta>(),
    KernelInfo::of::<dense_gradient::DenseGradient>(),
    KernelInfo::of::<ByRow<dense_gradient::DenseGradient, false>>(),
    KernelInfo::of::<ByRow<dense_gradient::DenseGradient, true>>(),
    KernelInfo::of::<sum_slices::SumSlices>(),
    KernelInfo::of::<activation::Activate>(),
    KernelInfo::of::<activation::ActivateSlope>(),
    KernelInfo::of::<softmax::Softmax>(),
    KernelInfo::of::<softmax::SoftmaxSlope>(),
    KernelInfo::of::<batch_norm::BatchStats>(),
    KernelInfo::of::<batch_norm::BatchNorm>(),
    KernelInfo::of::<batch_norm::BatchNormGradient>(),
    KernelInfo::of::<batch_norm::BatchNormDelta>(),
    KernelInfo::of::<running_stats::RunningStats>(),
    KernelInfo::of::<running_stats::RunningUpdate>(),
    KernelInfo::of::<layer_norm::LayerNorm>(),
    KernelInfo::of::<layer_norm::LayerNormDelta>(),
    KernelInfo::of::<layer_norm::LayerNormGradient>(),
    KernelInfo::of::<dropout::Dropout>(),
    KernelInfo::of::<add::Add>(),
    KernelInfo::of::<softmax_cross_entropy::SoftmaxCrossEntropy>(),
    KernelInfo::of::<gaussian_nll::GaussianNll>(),
    KernelInfo::of::<elementwise_loss::ElementwiseLoss>(),
    KernelInfo::of::<metrics::Hits>(),
    KernelInfo::of::<metrics::Confusion>(),
    KernelInfo::of::<metrics::Errors>(),
    KernelInfo::of::<accumulate::Accumulate>(),
    KernelInfo::of::<norm::ClipValue>(),
    KernelInfo::of::<norm::NormPartials>(),
    KernelInfo::of::<finish::Finish>(),
    KernelInfo::of::<finish::FinishScaled>(),
    KernelInfo::of::<finish::Tally>(),
    KernelInfo::of::<accumulate::Average>(),
    KernelInfo::of::<flow::FlowColumns>(),
    KernelInfo::of::<flow::FlowChunks>(),
    KernelInfo::of::<flow::FlowLayer>(),
];

/// All kernels. Parity, translations, documentation and benchmarks walk through them.
pub fn all() -> impl Iterator<Item = &'static KernelInfo> {
    TABLE.iter().chain(update::KERNELS)
}

/// Every formula that comes with the crate, as a plan's list: what a kernel's module is translated with when no plan is at hand.
pub fn formulas() -> crate::formula::Formulas {
    crate::formula::Formulas { losses: elementwise_loss::all().losses, ..activation::all() }
}

/// The kernel of a name.
pub fn named(name: &str) -> Option<&'static KernelInfo> {
    all().find(|k| k.name == name)
}
