using System.Buffers;

namespace Portmap.Persistence;

/// <summary>Writes facts as lines: one into a buffer, or many to the beginning of a file.</summary>
internal static class FactBlock
{
    /// <summary>Adds the line of a fact.</summary>
    /// <exception cref="PortRefusedException">
    /// The names of the fact are too long for a line.
    /// </exception>
    public static void Encode(PortFact fact, ArrayBufferWriter<byte> to)
    {
        if (!FactLine.TryWrite(to, fact))
        {
            StoreRefusals.NameTooLong(fact).Throw();
        }
    }

    /// <summary>Writes the first line of a state and then facts, some at a time.</summary>
    /// <param name="file">The file, which is empty.</param>
    /// <param name="facts">The facts.</param>
    /// <param name="atOnce">About how many bytes are written at once.</param>
    /// <returns>The length of the file.</returns>
    public static long Write(IStateFile file, IEnumerable<PortFact> facts, int atOnce)
    {
        long length = 0;
        var chunk = new ArrayBufferWriter<byte>(2 * atOnce);
        chunk.Write(FactLine.Header);
        foreach (PortFact fact in facts)
        {
            Encode(fact, chunk);
            if (chunk.WrittenCount >= atOnce)
            {
                length = Flush(file, chunk, length);
            }
        }

        return Flush(file, chunk, length);
    }

    private static long Flush(IStateFile file, ArrayBufferWriter<byte> chunk, long offset)
    {
        file.Write(chunk.WrittenSpan, offset);
        offset += chunk.WrittenCount;
        chunk.ResetWrittenCount();
        return offset;
    }
}
