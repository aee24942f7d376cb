using Portmap.Rpc.Tests.Fuzzing.Controls;

namespace Portmap.Rpc.Tests.Fuzzing;

/// <summary>The codec under a million inputs of any kind, and the proof that the detector sees what
/// it looks for.</summary>
public class CodecFuzzTests
{
    private const int Inputs = 1_000_000;
    private const int InputsForABug = 100_000;

    [Fact]
    public void Codec_AnyBytesInAnyPieces_ReadsTheSameWithoutOverreadEndlessLoopOrGrowth() =>
        FuzzInput.Any.SampleSeeds(new CodecFuzz(new ProductCodec()).Check, inputs: Inputs / 2, threads: 2, print: input => input.ToString());

    [Theory]
    [InlineData(CodecBug.ReadsPastTheEnd)]
    [InlineData(CodecBug.TrustsLengths)]
    [InlineData(CodecBug.StandsStill)]
    [InlineData(CodecBug.LetsExceptionsOut)]
    [InlineData(CodecBug.ForgetsAcrossPieces)]
    public void Detector_CodecWithASeededBug_CatchesIt(CodecBug bug)
    {
        Action fuzz = () => FuzzInput.Any.SampleSeeds(new CodecFuzz(new BrokenCodec(bug)).Check, inputs: InputsForABug);
        fuzz.Should().Throw<InvalidOperationException>("the same detector, with {0}", bug);
    }

    [Fact]
    public void Detector_CopyOfTheCodecWithoutABug_IsContent() =>
        FuzzInput.Any.SampleSeeds(new CodecFuzz(new BrokenCodec(CodecBug.None)).Check, inputs: InputsForABug / 2, threads: 2);
}
