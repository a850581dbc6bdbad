"""A phantom on imported morphologies: python examples/imported_morphologies.py OUT FILE.swc FILE.asc ...

Contacts for which the dendrite inside the block has no room are not imaged.
"""

import sys

import synimg
from synimg import config


def main() -> None:
    out, *files = sys.argv[1:]
    values = config.preset("demo").model_dump()
    values["tissue"] |= {"morphologies": files, "n_imaged_neurons": 8}
    values["training"] |= {"counterfactuals": False}
    mouse = synimg.generate(synimg.Config.parse(values, "example"), out)
    print(f"{mouse.path}: {synimg.measure(mouse).shape[0]} synapses on {len(files)} morphologies")


if __name__ == "__main__":
    main()
