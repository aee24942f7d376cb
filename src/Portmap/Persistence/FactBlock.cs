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

    /// <summary>Adds the lines of a batch; facts of one group in one line.</summary>
    /// <remarks>A group that is longer than a line, which names of some hundred bytes make it,
    /// takes several.</remarks>
    /// <inheritdoc cref="Encode(PortFact, ArrayBufferWriter{byte})"/>
    public static void Encode(IReadOnlyList<PortFact> batch, ArrayBufferWriter<byte> to)
    {
        for (int i = 0, end; i < batch.Count; i = end)
        {
            for (end = i + 1; end < batch.Count && batch[i].Group != 0 && batch[end].Group == batch[i].Group; end++)
            {
            }

            if (end - i > 1 && FactLine.TryWriteTogether(to, [.. batch.Skip(i).Take(end - i)]))
            {
                continue;
            }

            for (; i < end; i++)
            {
                Encode(batch[i], to);
            }
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
