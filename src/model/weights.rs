//! Weights outside a device: named tensors, read from and written to safetensors.

use super::{Init, Layer, Model, VECTORS_STD};
use crate::error::{Error, Place, Result};
use crate::plan::Role;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// The tensors of a model, in its order, under the keys that `nn.Sequential` would give them.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(Vec<(String, Vec<usize>, Vec<f32>)>);

impl Weights {
    /// From names, shapes and numbers, put in the order in which a model has them.
    pub(crate) fn new(mut tensors: Vec<(String, Vec<usize>, Vec<f32>)>) -> Self {
        tensors.sort_by_cached_key(|(name, ..)| place(name));
        Weights(tensors)
    }

    /// Seeded initial weights of a model.
    pub fn initial(model: &Model, seed: u64) -> Self {
        let mut starts = Vec::new();
        starts_of(model.layers(), model.inputs(), 0, &mut starts);
        let mut starts = starts.into_iter();
        let tensors = model.tensors().0.into_iter().map(|tensor| {
            let values = match tensor.role {
                Role::Weight => {
                    let (init, stream) = starts.next().expect("every weight has its start");
                    init.draw(seed, stream, tensor.shape[1], tensor.shape[0])
                }
                Role::Vectors => {
                    let (init, stream) = starts.next().expect("every table of vectors has its start");
                    let mut vectors = init.draw(seed, stream, tensor.shape[1], tensor.shape[0]);
                    vectors[..tensor.shape[1]].fill(0.0);
                    vectors
                }
                Role::Scale | Role::RunningVariance => vec![1.0; tensor.len()],
                Role::Bias | Role::Shift | Role::RunningMean | Role::BatchCount => vec![0.0; tensor.len()],
            };
            (tensor.name, tensor.shape, values)
        });
        Weights::new(tensors.collect())
    }

    /// Name, shape and numbers of each tensor.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        self.0.iter().map(|(name, shape, values)| (name.as_str(), shape.as_slice(), values.as_slice()))
    }

    /// A tensor's numbers.
    pub fn get(&self, name: &str) -> Option<&[f32]> {
        self.iter().find(|tensor| tensor.0 == name).map(|tensor| tensor.2)
    }

    /// 16 hex digits: the first 8 bytes of the SHA-256 of all numbers' bits, little-endian, in order.
    pub fn hash(&self) -> String {
        let mut sha = Sha256::new();
        for (_, _, values) in self.iter() {
            values.iter().for_each(|v| sha.update(v.to_le_bytes()));
        }
        sha.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// An error when the tensors are not those of the model: it names the first that is missing, of another shape, not finite or
    /// unknown.
    pub fn check(&self, model: &Model) -> Result<()> {
        let wanted = model.tensors().0;
        for tensor in &wanted {
            match self.iter().find(|t| t.0 == tensor.name) {
                None => {
                    let names: Vec<_> = self.iter().map(|t| t.0).collect();
                    return Err(Error::input(format!("the model needs `{}`, the weights have {}", tensor.name, names.join(", "))));
                }
                Some((name, shape, _)) if shape != tensor.shape => {
                    return Err(Error::input(format!("`{name}` has the shape {shape:?}, the model needs {:?}", tensor.shape)));
                }
                Some((name, _, values)) if values.iter().any(|v| !v.is_finite()) => {
                    return Err(Error::input(format!("`{name}` holds a value that is not finite")));
                }
                Some(_) => {}
            }
        }
        match self.iter().find(|t| wanted.iter().all(|tensor| tensor.name != t.0)) {
            Some((name, ..)) => Err(Error::input(format!("the model has no `{name}`: check the layers, or the file"))),
            None => Ok(()),
        }
    }

    /// Reads a safetensors file with `F32` tensors.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let wrong = |message: String| Error::at(Place::file(path), message);
        let file = SafeTensors::deserialize(&bytes).map_err(|e| wrong(format!("not a safetensors file: {e}")))?;
        let mut tensors = Vec::new();
        for (name, view) in file.iter() {
            let values = match view.dtype() {
                Dtype::F32 => view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
                Dtype::I64 if name.ends_with(COUNT) => {
                    view.data().as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f32).collect()
                }
                other => return Err(wrong(format!("`{name}` is {other:?}: write the weights as F32"))),
            };
            tensors.push((name.to_string(), view.shape().to_vec(), values));
        }
        Ok(Weights::new(tensors))
    }

    /// Writes a safetensors file that `torch.nn.Sequential.load_state_dict` takes as it is.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.to_safetensors()?).map_err(|e| Error::io(path, e))
    }

    /// The bytes of that file.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let wrong = |e: safetensors::SafeTensorError| Error::input(format!("the weights cannot be written: {e}"));
        // PyTorch counts batches in whole numbers
        let counts: Vec<Vec<i64>> = self.iter().map(|(_, _, values)| values.iter().map(|&v| v as i64).collect()).collect();
        let mut views = Vec::new();
        for ((name, shape, values), counts) in self.iter().zip(&counts) {
            let view = match name.ends_with(COUNT) {
                true => TensorView::new(Dtype::I64, shape.to_vec(), bytemuck::cast_slice(counts)),
                false => TensorView::new(Dtype::F32, shape.to_vec(), bytemuck::cast_slice(values)),
            };
            views.push((name, view.map_err(wrong)?));
        }
        safetensors::serialize(views, None).map_err(wrong)
    }
}

/// The tensor that counts the batches of a batch normalisation.
const COUNT: &str = "num_batches_tracked";

/// Where a name stands in a model's order: numbers as numbers, and the tensors of a layer in the order of [`Model::tensors`].
fn place(name: &str) -> Vec<(usize, String)> {
    let last = ["weight", "bias", "running_mean", "running_var", COUNT];
    let part = |part: &str| match (part.parse::<usize>(), last.iter().position(|known| *known == part)) {
        (Ok(number), _) => (number, String::new()),
        (_, Some(rank)) => (rank, String::new()),
        _ => (usize::MAX, part.to_string()),
    };
    name.split('.').map(part).collect()
}

/// How each weight starts, in the order of [`Model::tensors`], and the number of its stream of draws: the layer's place, so that a
/// layer's weights do not depend on what is in other layers.
fn starts_of(layers: &[Layer], mut width: usize, above: usize, starts: &mut Vec<(Init, usize)>) {
    for (n, layer) in layers.iter().enumerate() {
        let stream = above + n;
        match layer {
            Layer::Dense { init, .. } => starts.push((init.resolve(super::activation_behind(layers, n)), stream)),
            Layer::Embedding { codes } => {
                starts.extend((0..codes.len()).map(|table| (Init::Normal { std: VECTORS_STD }, ((stream + 1) << 20) + table)));
            }
            Layer::Residual { layers: body, init } => {
                starts_of(body, width, (stream + 1) << 12, starts);
                if layer.width_behind(width) != width {
                    // the projection's is the stream behind the body's
                    starts.push((init.resolve("identity"), ((stream + 1) << 12) + body.len()));
                }
            }
            _ => {}
        }
        width = layer.width_behind(width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let weights = Weights::initial(&Model::input(5).dense(30).relu().dense(3), 7);
        weights.save(&path).unwrap();
        let back = Weights::load(&path).unwrap();
        assert_eq!(back, weights);
        assert_eq!(back.hash(), weights.hash());
        assert_ne!(back.hash(), Weights::initial(&Model::input(5).dense(30).relu().dense(3), 8).hash());
    }

    #[test]
    fn weights_of_another_model_are_refused_by_name_and_shape() {
        let weights = Weights::initial(&Model::input(5).dense(3), 7);
        let message = |model: Model| weights.check(&model).unwrap_err().to_string();
        assert!(message(Model::input(4).dense(3)).contains("`0.weight` has the shape [3, 5], the model needs [3, 4]"));
        assert!(message(Model::input(5).dense(3).dense(2)).contains("the model needs `1.weight`, the weights have 0.weight, 0.bias"));
        let deep = Weights::initial(&Model::input(5).dense(3).dense(2), 7);
        assert!(deep.check(&Model::input(5).dense(3)).unwrap_err().to_string().contains("the model has no `1.weight`"));
    }

    #[test]
    fn a_file_that_is_no_safetensors_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        std::fs::write(&path, b"not a file").unwrap();
        let message = Weights::load(&path).unwrap_err().to_string();
        assert!(message.contains("w.safetensors: not a safetensors file"), "{message}");
    }
}
