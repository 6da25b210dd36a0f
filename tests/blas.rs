//! `--backend blas`: how a build without it refuses, and what a build with it tells about the library. What it computes
//! is compared with the other backends wherever those are compared with each other.

use memorize_kernels::reference::Dense;
use tempfile::TempDir;

use crate::common::{Call, memorize, scratch, write_inputs, write_targets, write_weights};

/// A folder with the files that `eval` wants.
fn problem() -> TempDir {
    let folder = scratch();
    let matrix = |rows, cols| Dense::from_fn(rows, cols, |i, j| ((i + 2 * j) % 5) as f64);
    write_inputs(&folder.path().join("x.npy"), &matrix(6, 3));
    write_targets(&folder.path().join("y.npy"), &[1.0; 6]);
    write_weights(&folder.path().join("w.safetensors"), &matrix(3, 2), &[1.0, -1.0]);
    folder
}

fn eval(folder: &TempDir) -> Call {
    let path = |name| folder.path().join(name);
    let call = memorize("eval").with("--weights", path("w.safetensors")).with("--inputs", path("x.npy"));
    call.with("--targets", path("y.npy"))
}

fn train(folder: &TempDir, name: &str) -> Call {
    memorize("train --data synthetic --samples 900 --dim 30 -r 40 --epochs 2").with("--out", folder.path().join(name))
}

#[cfg(not(feature = "blas"))]
#[test]
fn a_build_without_it_says_how_to_get_it() {
    let folder = problem();
    let out = folder.path().join("run");
    let calls = [
        memorize("bench --quick"),
        memorize("reproduce synthetic --quick").with("--out", &out),
        train(&folder, "run"),
        eval(&folder),
    ];
    for call in calls {
        call.and("--backend blas").refuses(&["`blas` is not in this build", "cargo build --release --features blas"]);
    }
    assert!(!out.exists());
}

#[cfg(feature = "blas")]
mod built_in {
    use memorize_kernels::Isa;
    use serde_json::Value;

    use super::*;
    use crate::common::{left, summary};

    /// What the program says of the library.
    fn library(call: Call) -> Value {
        let report: Value = serde_json::from_str(&call.and("--json").succeeds().stdout).unwrap();
        report["machine"]["blas"].clone()
    }

    fn bench() -> Call {
        memorize("bench --quick --filter small-gradient --shape 8x6x4")
    }

    #[test]
    fn every_command_tells_which_library_it_is() {
        let folder = problem();
        let blas = library(bench());
        assert_eq!(blas["library"], "OpenBLAS");
        let version = format!("OpenBLAS {}", blas["version"].as_str().unwrap());
        assert!(bench().succeeds().stdout.contains(&format!("blas: {version}, ")));

        let outcome = train(&folder, "run").and("--backend blas").succeeds();
        assert!(outcome.stderr.contains(&format!("backend blas: {version}, ")), "{}", outcome.stderr);
        assert!(outcome.stdout.contains(&format!("backend blas ({version}, ")), "{}", outcome.stdout);
        let summary = summary(&folder.path().join("run"));
        assert_eq!((&summary["backend"], &summary["blas"]), (&"blas".into(), &blas));

        let outcome = eval(&folder).and("--backend blas").succeeds();
        assert!(outcome.stdout.contains(&format!("blas ({version}, ")), "{}", outcome.stdout);
        for (backend, expected) in [("blas", &blas), ("native", &Value::Null)] {
            let json = eval(&folder).and("--json --backend").and(backend).succeeds().stdout;
            assert_eq!(&serde_json::from_str::<Value>(&json).unwrap()["computed_with"]["blas"], expected);
        }
    }

    #[test]
    fn a_call_stays_on_its_thread_whatever_the_environment_asks_for() {
        let call = || bench().env("OPENBLAS_NUM_THREADS", "2").env("OMP_NUM_THREADS", "2");
        assert_eq!(library(call())["threads"], 1);
        let folder = scratch();
        let weights = ["1", "3"].map(|threads| {
            train(&folder, threads).and("--quiet --backend blas --threads").and(threads).succeeds();
            left(&folder.path().join(threads), "checkpoint.safetensors")
        });
        assert_eq!(weights[0], weights[1], "the number of threads changed the result");
    }

    #[test]
    fn kernels_for_an_older_processor_are_warned_of() {
        let remedy = match Isa::best().name() {
            "avx512" => "SkylakeX",
            "avx2" => "Haswell",
            _ => return,
        };
        let coretype = |call: Call, name| call.env("OPENBLAS_CORETYPE", name);
        let old = library(coretype(bench(), "Nehalem"));
        if old["core"] != "Nehalem" {
            // Built for one processor type.
            return assert!(!old["config"].as_str().unwrap().contains("DYNAMIC_ARCH"), "{old}");
        }
        let folder = problem();
        let expected = format!("OPENBLAS_CORETYPE={remedy} before the program starts");
        for call in [bench(), eval(&folder).and("--backend blas"), train(&folder, "old").and("--backend blas")] {
            let said = coretype(call, "Nehalem").succeeds().stderr;
            assert!(said.contains("warning: OpenBLAS") && said.contains(&expected), "{said}");
        }
        for call in
            [bench().and("--backend native"), eval(&folder), train(&folder, "quiet").and("--backend blas --quiet")]
        {
            let said = coretype(call, "Nehalem").succeeds().stderr;
            assert!(!said.contains("OPENBLAS_CORETYPE"), "{said}");
        }
        let said = coretype(bench(), remedy).succeeds().stderr;
        assert!(!said.contains("OPENBLAS_CORETYPE"), "{said}");
    }
}
