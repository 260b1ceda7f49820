//! Whether a file is still the one that was begun to be read.

use crate::error::{Error, Place, Result};
use std::path::Path;
use std::time::SystemTime;

/// What tells a file from a changed one: its length, and when it was written. Of what is no file, such as a pipe, nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, Option<SystemTime>)>);

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
        Stamp(file.map(|file| (file.len(), file.modified().ok())))
    }

    /// An error where the file has changed since, or is gone.
    pub(super) fn check(self, path: &Path) -> Result<()> {
        let message = match (self, Stamp::of(path)) {
            (was, is) if was == is => return Ok(()),
            (_, Stamp(None)) => "this file vanished while it was read: put it back, and begin again",
            _ => {
                "this file changed while it was read, so that what was read is of no one moment: wait until it is written, or copy it, and begin again"
            }
        };
        Err(Error::at(Place::file(path), message))
    }
}

#[cfg(test)]
mod tests {
    use crate::data::{Row, TableFile, TableOptions, open_table, read_columns};
    use crate::error::{Place, Result};
    use std::path::Path;

    /// A file to which something happens once it was looked through.
    struct Restless {
        file: Box<dyn TableFile>,
        happens: Option<fn(&Path)>,
    }

    impl TableFile for Restless {
        fn path(&self) -> &Path {
            self.file.path()
        }

        fn header(&self) -> &[String] {
            self.file.header()
        }

        fn place(&self, spot: u64, column: usize) -> Place {
            self.file.place(spot, column)
        }

        fn rows(&mut self, columns: &[usize], each: &mut dyn FnMut(Row<'_>) -> Result<()>) -> Result<()> {
            self.file.rows(columns, each)?;
            if let Some(happens) = self.happens.take() {
                happens(self.file.path());
            }
            Ok(())
        }
    }

    #[test]
    fn a_file_that_changes_or_vanishes_while_it_is_read_is_refused() {
        let grows: fn(&Path) = |path| std::fs::write(path, "x,y\n1,a\n2,b\n3,c\n").expect("it is written");
        let is_half = |path: &Path| std::fs::write(path, "x,y\n1,a\n2").expect("it is written");
        let vanishes = |path: &Path| std::fs::remove_file(path).expect("it was there");
        for (what, happens, wanted) in [
            ("nothing happens", None, ""),
            ("a row more", Some(grows), "d.csv: this file changed while it was read"),
            ("half a row", Some(is_half), "d.csv: this file changed while it was read"),
            ("gone", Some(vanishes), "d.csv: this file vanished while it was read"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("d.csv");
            std::fs::write(&path, "x,y\n1,a\n2,b\n").expect("it is written");
            let mut file = Restless { file: open_table(&path).expect("a good file"), happens };
            let told = read_columns(&mut file, &TableOptions::new("y")).err().map_or(String::new(), |e| e.to_string());
            assert!(told.contains(wanted) && told.is_empty() == wanted.is_empty(), "{what}: {told}");
        }
    }
}
