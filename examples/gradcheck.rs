//! Are the gradients right? Back-propagation against finite differences in f64, tensor by tensor, on a model and data of one's own.
//! `cargo run --release --example gradcheck`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::{Activation, Dataset, Device, Loss, Model, Trainer};

fn main() -> gradus::Result<()> {
    let each = if std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some() { 4 } else { 40 };
    let (train, _) = Dataset::sine(200, 7).split(0.8);
    let bent = Activation::expression("z*sigmoid(1.7*z)")?;
    let block = |f: Model| f.batch_norm().tanh().dropout(0.2).dense(24);
    let model = Model::input(1).dense(24).activation(bent).residual(block).layer_norm().dense(1);
    let training = Trainer::new(model, Loss::expression("ln(1 + (p - t)^2)")?).batch(32).build(Device::Auto)?;

    println!("tensor           compared  worst error, relative");
    for tensor in training.gradcheck(&train, each)? {
        let verdict = if tensor.passes() { "right" } else { "WRONG" };
        println!("{:16} {:8}  {:.1e}  {verdict}", tensor.name, tensor.compared, tensor.worst);
    }
    Ok(())
}
