//! A checkpoint as bytes, and back: whatever was damaged, cut short or made by someone else is refused with its reason.

use super::{Checkpoint, Numbers, Tensor};
use crate::error::{Error, Place, Result};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::Path;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"GRADUSCP";
/// Magic, version, length of the body.
const HEAD: usize = 8 + 4 + 8;
const CHECKSUM: usize = 32;

impl Checkpoint {
    /// The bytes of its file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let wrong = |e: SafeTensorError| Error::input(format!("the checkpoint cannot be written: {e}"));
        let about = serde_json::to_string(&self.about).map_err(|e| Error::input(format!("the checkpoint cannot be written: {e}")))?;
        let metadata = HashMap::from([
            ("number".to_string(), self.number.to_string()),
            ("state".to_string(), self.state.clone()),
            ("about".to_string(), about),
        ]);
        let mut views = Vec::with_capacity(self.tensors.len());
        for Tensor { name, shape, numbers } in &self.tensors {
            let view = match numbers {
                Numbers::F32(values) => TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)),
                Numbers::U32(words) => TensorView::new(Dtype::U32, shape.clone(), bytemuck::cast_slice(words)),
            };
            views.push((name.as_str(), view.map_err(wrong)?));
        }
        let body = safetensors::serialize(views, Some(metadata)).map_err(wrong)?;
        let mut bytes = Vec::with_capacity(HEAD + body.len() + CHECKSUM);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        drop(body);
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        Ok(bytes)
    }

    /// Reads the bytes of a file; `path` names it in errors. Memory is bounded by the length of the bytes.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let wrong = |message: String| Error::at(Place::file(path), message);
        let Some(head) = bytes.first_chunk::<HEAD>().filter(|head| head.starts_with(MAGIC)) else {
            // the first bytes of one that was cut short are those of a checkpoint, as far as they go
            return Err(match !bytes.is_empty() && (bytes.starts_with(MAGIC) || MAGIC.starts_with(bytes)) {
                true => wrong(format!("this checkpoint is cut short: {} bytes: take one from before it", bytes.len())),
                false => wrong("this is no checkpoint of gradus: name a run folder that has some".to_string()),
            });
        };
        let [_, _, _, _, _, _, _, _, v0, v1, v2, v3, length @ ..] = *head;
        let (version, length) = (u32::from_le_bytes([v0, v1, v2, v3]), u64::from_le_bytes(length));
        if version != VERSION {
            return Err(wrong(format!(
                "this checkpoint has version {version} of the format, this gradus reads {VERSION}: go on with the gradus that wrote it, or begin anew"
            )));
        }
        let wanted = length.saturating_add((HEAD + CHECKSUM) as u64);
        if (bytes.len() as u64) < wanted {
            return Err(wrong(format!("this checkpoint is cut short: {} bytes of {wanted}: take one from before it", bytes.len())));
        }
        let damaged = |what: String| wrong(format!("this checkpoint is damaged: {what}: take one from before it"));
        if bytes.len() as u64 > wanted {
            return Err(damaged(format!("there are {} bytes, but it has {wanted}", bytes.len())));
        }
        let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if Sha256::digest(content)[..] != *checksum {
            return Err(damaged("its checksum is another one".to_string()));
        }
        read_body(&content[HEAD..]).map_err(damaged)
    }

    /// Reads a file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Checkpoint::from_bytes(path, &bytes)
    }
}

/// What the checksum answers for; that it is well made is not taken for granted.
fn read_body(body: &[u8]) -> Result<Checkpoint, String> {
    let (_, header) = SafeTensors::read_metadata(body).map_err(|e| e.to_string())?;
    let metadata = header.metadata().as_ref();
    let word = |key: &str| metadata.and_then(|all| all.get(key)).ok_or_else(|| format!("it has no `{key}`"));
    let number = word("number")?.parse().map_err(|e| format!("its number: {e}"))?;
    let about = serde_json::from_str(word("about")?).map_err(|e| format!("its `about`: {e}"))?;
    let state = word("state")?.clone();
    let mut tensors = Vec::new();
    for (name, view) in SafeTensors::deserialize(body).map_err(|e| e.to_string())?.iter() {
        let words = view.data().as_chunks::<4>().0.iter();
        let numbers = match view.dtype() {
            Dtype::F32 => Numbers::F32(words.map(|&word| f32::from_le_bytes(word)).collect()),
            Dtype::U32 => Numbers::U32(words.map(|&word| u32::from_le_bytes(word)).collect()),
            other => return Err(format!("`{name}` is {other:?}")),
        };
        tensors.push(Tensor { name: name.to_string(), shape: view.shape().to_vec(), numbers });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Checkpoint { number, about, state, tensors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let nan = f32::from_bits(0x7fc0_0001);
        Checkpoint {
            number: 17,
            about: [("seed".to_string(), "7".to_string())].into(),
            state: "{\"epoch\":2}".to_string(),
            tensors: vec![
                Tensor { name: "fault".into(), shape: vec![2], numbers: Numbers::U32(vec![0, u32::MAX]) },
                Tensor { name: "log".into(), shape: vec![0, 4], numbers: Numbers::F32(vec![]) },
                Tensor { name: "params".into(), shape: vec![2, 2], numbers: Numbers::F32(vec![-0.0, nan, 1e-40, f32::INFINITY]) },
            ],
        }
    }

    fn refused(bytes: &[u8]) -> String {
        Checkpoint::from_bytes(Path::new("c"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_checkpoint_comes_back_to_the_bit() {
        let bytes = sample().to_bytes().unwrap();
        let back = Checkpoint::from_bytes(Path::new("c"), &bytes).unwrap();
        assert_eq!(back.to_bytes().unwrap().len(), bytes.len());
        assert_eq!((back.number, &back.about, &back.state), (17, &sample().about, &sample().state));
        for (tensor, was) in back.tensors.iter().zip(sample().tensors) {
            assert_eq!((&tensor.name, &tensor.shape), (&was.name, &was.shape));
            match (&tensor.numbers, was.numbers) {
                (Numbers::F32(a), Numbers::F32(b)) => {
                    assert!(a.iter().map(|v| v.to_bits()).eq(b.iter().map(|v| v.to_bits())));
                }
                (a, b) => assert_eq!(*a, b),
            }
        }
    }

    #[test]
    fn a_file_that_ends_too_soon_or_too_late_is_refused() {
        let bytes = sample().to_bytes().unwrap();
        for length in 1..bytes.len() {
            let told = refused(&bytes[..length]);
            assert!(told.starts_with("c: this checkpoint is cut short: "), "{length}: {told}");
        }
        assert!(refused(&[&bytes[..], &[0]].concat()).contains("damaged"));
    }

    #[test]
    fn a_bit_that_is_another_is_found_wherever_it_is() {
        let bytes = sample().to_bytes().unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1 << (at % 8);
            let told = refused(&other);
            // in the magic it is no checkpoint, in the version another one, in the length too short or too long
            let wanted = match at {
                0..8 => "no checkpoint",
                8..12 => "version",
                12..20 => "c: this checkpoint is ",
                _ => "checksum",
            };
            assert!(told.contains(wanted), "{at}: {told}");
        }
    }

    #[test]
    fn files_of_others_and_of_other_versions_are_refused_by_what_they_are() {
        assert!(refused(b"").contains("this is no checkpoint of gradus"));
        assert!(refused(b"PK\x03\x04 something else, and long enough for a head").contains("this is no checkpoint of gradus"));
        let mut bytes = sample().to_bytes().unwrap();
        bytes[8] = 2;
        assert!(refused(&bytes).contains("has version 2 of the format, this gradus reads 1"));
        // a sound checksum over what is no body
        let mut made = [&MAGIC[..], &VERSION.to_le_bytes(), &4u64.to_le_bytes(), b"body"].concat();
        made.extend(Sha256::digest(&made));
        assert!(refused(&made).contains("damaged"));
    }
}
