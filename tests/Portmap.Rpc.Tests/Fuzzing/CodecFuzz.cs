using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Tests.Fuzzing;

/// <summary>The detector: feeds one input to a codec twice and says what is wrong with what comes
/// of it.</summary>
/// <remarks> Once the input lies in one piece among zeros, once in many pieces among ones. What was
/// read must be the same: it may depend neither on the pieces nor on what lies beside them, which
/// is how an over-read shows. Nothing but the known exceptions may come out of it, no step may
/// leave everything as it was, and the bytes it takes from the heap are bounded whatever lengths
/// the input announces.
/// </remarks>
internal sealed class CodecFuzz(Codec codec)
{
    private const int Beside = 64;
    private const long MaxAllocated = 65_536;

    [ThreadStatic]
    private static byte[]? s_scratch;

    public void Check(FuzzInput input)
    {
        int whole = Read(input, [input.Bytes], beside: 0x00);
        int split = Read(input, input.Split(), beside: 0xff);
        if (whole != split)
        {
            throw new InvalidOperationException("What was read depends on the pieces, or on what lies beside them.");
        }
    }

    private int Read(FuzzInput input, IEnumerable<ArraySegment<byte>> pieces, byte beside)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Codec.Reader reader = codec.Open(input.Program, input.Procedure);
        int stepsLeft = input.Bytes.Length + 2;
        RecordStatus status = RecordStatus.NeedMore;
        foreach (ArraySegment<byte> piece in pieces)
        {
            ArraySegment<byte> rest = LayOut(piece, beside);
            stepsLeft++;
            do
            {
                if (stepsLeft-- == 0)
                {
                    throw new InvalidOperationException("It goes on without end.");
                }

                status = reader.Read(ref rest);
            }
            while (status == RecordStatus.Complete);

            if (status == RecordStatus.TooLong)
            {
                break;
            }
        }

        if (GC.GetAllocatedBytesForCurrentThread() - before > MaxAllocated)
        {
            throw new InvalidOperationException($"It took more than {MaxAllocated} bytes for an input of {input.Bytes.Length}.");
        }

        reader.Trace.Add(status);
        return reader.Trace.ToHashCode();
    }

    private static ArraySegment<byte> LayOut(ArraySegment<byte> piece, byte beside)
    {
        int length = piece.Count + (2 * Beside);
        if (s_scratch is null || s_scratch.Length < length)
        {
            s_scratch = new byte[2 * length];
        }

        s_scratch.AsSpan(0, length).Fill(beside);
        piece.CopyTo(s_scratch, Beside);
        return new ArraySegment<byte>(s_scratch, Beside, piece.Count);
    }
}
