"""Makes the weights of a graph 8-bit integers."""

from pathlib import Path

from sentiment_hf.exporting.graph import quiet_exporter

# Convolutions in integers are several times slower than in floats, and recurrent layers stay what they are.
QUANTIZED = ["MatMul", "Gather"]


def quantize(file: Path) -> None:
    """Replace the graph in `file` by one with 8-bit weights, scaled channel by channel."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with quiet_exporter():
        quantize_dynamic(
            file, file, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=list(QUANTIZED)
        )
