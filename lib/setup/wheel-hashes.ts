import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { ClipBlipError } from "../common/errors.js";

/** SHA-256 of PyTorch 2.13.0's wheels, as PyPI and (for "+cpu") PyTorch's own index publish them. */
const KNOWN: Readonly<Record<string, string>> = {
  "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl":
    "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
  "torch-2.13.0-cp310-cp310-manylinux_2_28_x86_64.whl":
    "c78b7b4d04461855a764cf01bae9a462bb88bc93defcfa11235cbc8fdf3e12c4",
  "torch-2.13.0-cp310-cp310-manylinux_2_28_aarch64.whl":
    "0ab4b69f3ee03a62a002cfbf77b1ca5e88aceb4ea64cb4388bb28f638ddbb045",
  "torch-2.13.0-cp310-cp310-macosx_14_0_arm64.whl": "94f0de129916f77b8dc2c7a8eff644cfeddfe59e39c9f55e9f6e17543410281d",
  "torch-2.13.0-cp310-cp310-win_amd64.whl": "2bd30b6b730d987fa386ce3898933762c5cb8cc82eb0535211d787cc3ce2dfeb",
  "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl":
    "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
  "torch-2.13.0-cp311-cp311-manylinux_2_28_aarch64.whl":
    "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c",
  "torch-2.13.0-cp311-cp311-macosx_14_0_arm64.whl": "e76f9bcecc52b8ff711239a2f7547d5353df95878ab232f0773c1d95928b92f8",
  "torch-2.13.0-cp311-cp311-win_amd64.whl": "a0d8b11f16a48d60e2015d8213aa0390744cbebb98e58b62b3514dddc656e330",
  "torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl":
    "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b",
  "torch-2.13.0-cp312-cp312-manylinux_2_28_aarch64.whl":
    "572df8be8ffb4599c88cbd6a0726f1f854f4da65d2e3c09f0e2c2283333cd6d4",
  "torch-2.13.0-cp312-cp312-macosx_14_0_arm64.whl": "2fe228aba290d14b9f31b049be550dbd469c3fd3013d7a19705b30454da97027",
  "torch-2.13.0-cp312-cp312-win_amd64.whl": "024c6cc0c1b085f2f91f20a3dc27b0471d021c31ce84b81be3afdc39f791fd9d",
  "torch-2.13.0-cp313-cp313-manylinux_2_28_x86_64.whl":
    "a3a9a21312872af8a26950b2c15680335a386a1f56ed03e780653d78b9607e9e",
  "torch-2.13.0-cp313-cp313-manylinux_2_28_aarch64.whl":
    "1e09d6a722504957c694faceca843acde562786df1144ebcc5a74075ec7f6005",
  "torch-2.13.0-cp313-cp313-macosx_14_0_arm64.whl": "33449899ce5496c1b84b4853179d94fd102028ae1407314d9fb956bb79e70d09",
  "torch-2.13.0-cp313-cp313-win_amd64.whl": "49b58f1e2c52440abb6f17c28f0335fe6c6d01ad1a7f55b0183b81e4b34d64e6",
  "torch-2.13.0-cp314-cp314-manylinux_2_28_x86_64.whl":
    "49f1ea385c754e54919408a9bb3b5a72b0b755bbe2c916c1d6f70afbec4908a2",
  "torch-2.13.0-cp314-cp314-manylinux_2_28_aarch64.whl":
    "a3893dc2da0a972a8ca5d698c85a9f967559ac5f8ee1797b77408aa8734d073c",
  "torch-2.13.0-cp314-cp314-macosx_14_0_arm64.whl": "d849b390e07d8d333ce8ecaf91b273c656c598379a19c9acf1318a883f6b391c",
  "torch-2.13.0-cp314-cp314-win_amd64.whl": "4f8573e3ce9ebcd53fe922f01077a6085ccdfbe5f12fd215883a9d87d7a744fd",
};

/** The part of pip's installation report (format 1) that is read. */
interface PipReport {
  install: {
    metadata: { name: string };
    download_info: { url: string; archive_info?: { hashes?: { sha256?: string } } };
  }[];
}

/**
 * Compares the PyTorch wheel that pip installed with the published hashes.
 * @returns whether its hash is known; in any case, pip itself has checked it against the hash in its index
 * @throws ClipBlipError ERR_LIBTORCH_NOT_FOUND if the file has a published name but another hash
 */
export async function checkWheelHash(reportFile: string): Promise<boolean> {
  // pip before 22.2 writes no report.
  if (!existsSync(reportFile)) return false;
  const report = JSON.parse(await readFile(reportFile, "utf8")) as PipReport;
  const torch = report.install.find(({ metadata }) => metadata.name.toLowerCase() === "torch");
  const name = decodeURIComponent(
    torch?.download_info.url
      .replace(/[#?].*$/, "")
      .split("/")
      .at(-1) ?? "",
  );
  const expected = KNOWN[name];
  const actual = torch?.download_info.archive_info?.hashes?.sha256;
  if (expected === undefined || actual === undefined) return false;
  if (actual !== expected) {
    throw new ClipBlipError(
      "ERR_LIBTORCH_NOT_FOUND",
      `${name} has the SHA-256 ${actual}, but PyTorch published it with ${expected}. It was not installed: ` +
        "find out where pip got it from (pip config list)",
    );
  }
  return true;
}
