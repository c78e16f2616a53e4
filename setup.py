"""Installs vq-nat; `examples/install.sh` also builds fairseq, which needs care."""

import os
import platform
import re
import sys
import sysconfig
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, PlatformError

ROOT = Path(__file__).parent
ENGINE = Path("vq_nat", "engine", "src")
# Sums must not depend on what a compiler fuses.
FLAGS = ["-std=c++17", "-O3", "-g0", "-fvisibility=hidden", "-ffp-contract=off"]
FLAGS += ["-fno-math-errno"]
LINK_FLAGS = ["-pthread", "-s"]
if sanitizers := os.environ.get("VQ_NAT_SANITIZE"):  # tests/sanitize.sh
    FLAGS += ["-O1", "-g1", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
    FLAGS += ["-fno-wrapv", "-Wno-maybe-uninitialized"]  # Python's -fwrapv hides some
    LINK_FLAGS = ["-pthread", f"-fsanitize={sanitizers}"]
AVX512 = [f"-mavx512{part}" for part in ("f", "bw", "dq", "vl", "vnni")] + ["-mfma"]
DOORS = "bindings"  # what begins so needs no speed, but takes long to compile with it
# The engine chooses among these files at run time; all others run on any machine.
INSTRUCTION_SETS = {
    "products_avx2": ["-mavx2", "-mfma"],
    "products_avxvnni": ["-mavx2", "-mfma", "-mavxvnni"],
    "products_vnni": AVX512,
    "products_amx": [*AVX512, "-mamx-tile", "-mamx-int8"],
}


def version() -> str:
    """Reads the version without importing the package, which needs torch."""
    door = (ROOT / "vq_nat" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"', door, re.MULTILINE)
    if match is None:
        raise ValueError("vq_nat/__init__.py must state `__version__`, but does not.")
    return match.group(1)


def long_description() -> str:
    """Reads the README, if it is there."""
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.is_file() else ""


class BuildEngine(build_ext):
    """Compiles the engine, each file for its instruction set, or does without."""

    def finalize_options(self) -> None:
        """Keeps objects in build/ for an editable installation, too."""
        kind = f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
        self.build_temp = self.build_temp or str(Path("build", f"temp.{kind}"))
        super().finalize_options()

    def build_extension(self, ext: Extension) -> None:
        """Compiles what changed; a failure is said once and breaks nothing."""
        compile_one, link = self.compiler._compile, self.compiler.link_shared_object
        files: list[Future[None]] = []  # compiled side by side
        pybind11 = Path(ext.include_dirs[-1])
        shared = [*ENGINE.glob("*.h"), ROOT / "setup.py", pybind11]
        changed = max(path.stat().st_mtime for path in shared)

        def compile_changed(obj, source, suffix, cc_args, extra, pp_opts):
            newest = max(changed, Path(source).stat().st_mtime)
            if not Path(obj).is_file() or Path(obj).stat().st_mtime < newest:
                name = Path(source).stem
                flags = [*extra, *INSTRUCTION_SETS.get(name, [])]
                flags += ["-O1"] * name.startswith(DOORS)
                compile_one(obj, source, suffix, cc_args, flags, pp_opts)

        def link_compiled(*args, **kwargs):
            for file in files:
                file.result()
            link(*args, **kwargs)

        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                submit = pool.submit
                self.compiler._compile = lambda *args: files.append(
                    submit(compile_changed, *args)
                )
                self.compiler.link_shared_object = link_compiled
                super().build_extension(ext)
        except (CCompilerError, PlatformError, OSError) as error:
            print(f"The engine is left out, since it could not be compiled: {error}")


def engine() -> list[Extension]:
    """Returns the engine's extension, or none where pybind11 is not at hand."""
    try:
        import pybind11
    except ImportError:
        print("The engine is left out, since pybind11 is not installed.")
        return []
    here = platform.machine() in ("x86_64", "AMD64")
    sources = [
        str(path)
        for path in sorted(ENGINE.glob("*.cpp"))
        if here or path.stem not in INSTRUCTION_SETS
    ]
    return [
        Extension(
            "vq_nat.engine._engine",
            sources,
            depends=[str(path) for path in sorted(ENGINE.glob("*.h"))],
            include_dirs=[str(ENGINE), pybind11.get_include()],
            extra_compile_args=FLAGS,
            extra_link_args=LINK_FLAGS,
            language="c++",
            optional=True,
        )
    ]


# The ranges are those that were tested. examples/install.sh reads the lines of numpy
# and fairseq-fixed from here. torch alone is enough for `vq_nat.bottleneck`.
REQUIRES = ["torch>=2.6"]  # the first to read checkpoints without running them
FOR_ENGINE = [  # to translate with an exported folder
    "numpy>=1.26,<2.4",
    "sentencepiece>=0.2,<0.3",
    "sacremoses>=0.1.1,<0.3",
    "sentencex>=1.0.32,<2",
    "tqdm>=4.60,<5",
]
FOR_FAIRSEQ = [  # to train, to translate with checkpoints, to measure
    "fairseq-fixed==0.12.3.1",
    *FOR_ENGINE,
    "sacrebleu>=2.4,<3",
    "safetensors>=0.4.3,<0.9",
    "subword-nmt==0.3.8",
    "pyyaml>=6,<7",
]
FOR_SERVICE = [  # of `vq-nat serve`
    "fastapi>=0.120,<0.166",
    "uvicorn>=0.40,<0.55",
    "uvloop>=0.21,<0.24; sys_platform != 'win32'",  # what it is faster with
    "httptools>=0.6.4,<0.11",
    "prometheus-client>=0.22,<0.27",
    "py3langid>=0.4,<0.5",  # tells languages apart
    "babel>=2.12,<3",  # names them
]
FOR_HUB = ["huggingface_hub>=0.34,<3"]  # to load hf://OWNER/NAME
EXTRAS = {
    "engine": FOR_ENGINE,
    "serve": [*FOR_ENGINE, *FOR_SERVICE],
    "fairseq": FOR_FAIRSEQ,
    "bench": ["vector-quantize-pytorch>=1.32,<2"],  # to compare with
    "plots": ["matplotlib>=3.8,<4"],
    "image": [  # to read Parquet files, PNG and JPEG, SVHN; to draw
        "pyarrow>=18,<27",
        "pillow>=11,<14",
        "scipy>=1.13,<2",
        "matplotlib>=3.8,<4",
    ],
    "demo": ["num2words>=0.5.12,<0.6", "babel>=2.12,<3"],
    "ctranslate2": ["ctranslate2>=4.8,<4.9"],  # a faster back end of distill.py
    "hub": FOR_HUB,
    # Of `vq-nat export`; the attention of onnxruntime 1.20 is wrong.
    "onnx": ["onnx>=1.17,<1.24", "onnxruntime>=1.21,<1.33"],
    "dev": [
        "vector-quantize-pytorch>=1.32,<2",  # as in bench
        *FOR_SERVICE,
        "httpx2>=2,<3",  # of starlette's test client
        "libretranslatepy>=2.1.4,<3",  # a client of LibreTranslate
        "playwright>=1.50,<2",  # the page in Debian's Chromium
        "ruff>=0.17,<0.18",  # its formatting changes with every minor version
        "mypy>=2,<3",
        "pytest>=8,<10",
        "pytest-xdist>=3.8,<4",  # tests/run.sh: two processes
        "hypothesis>=6.100,<7",
        "pybind11>=3.1,<4",  # as in pyproject.toml: to compile the engine again
        "types-PyYAML>=6,<7",
        "matplotlib>=3.8,<4",  # as in plots
        "ctranslate2>=4.8,<4.9",  # as in ctranslate2
        "onnx>=1.17,<1.24",  # as in onnx
        "onnxruntime>=1.21,<1.33",
        "pyarrow>=18,<27",  # as in image
        "pillow>=11,<14",
        "scipy>=1.13,<2",
        "tensorboard>=2.16,<3",
        "wandb>=0.31,<0.32",
        *FOR_HUB,
    ],
}

setup(
    name="vq-nat",
    version=version(),
    description="Translation by discrete latent variables, as a fairseq plug-in",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="the vq-nat authors",
    license="MIT",
    packages=find_packages(include=["vq_nat", "vq_nat.*"]),
    package_data={"vq_nat": ["py.typed"], "vq_nat.serve": ["static/*"]},
    ext_modules=engine(),
    cmdclass={"build_ext": BuildEngine},
    python_requires=">=3.11",
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["vq-nat = vq_nat.cli.main:main"]},
)
