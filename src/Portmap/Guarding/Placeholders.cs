using Portmap.Table;

namespace Portmap.Guarding;

/// <summary>The placeholders by protocol and port: at most one at each.</summary>
/// <remarks>
/// <code>
///   (protocol, port) ──► chunk of 256, made when first written ──► Placeholder, or null
/// </code>
/// A dictionary of .NET's takes a lock for each change. Progress: wait-free.
/// </remarks>
internal sealed class Placeholders
{
    private const int ChunkShift = 8, ChunkSize = 1 << ChunkShift;

    private readonly Placeholder?[]?[] _chunks = new Placeholder?[]?[2 * 65_536 / ChunkSize];

    public Placeholder? this[PortProtocol protocol, int port]
    {
        get
        {
            int key = Key(protocol, port);
            Hook.At(Step.FindPlaceholder);
            Placeholder?[]? chunk = Volatile.Read(ref _chunks[key >> ChunkShift]);
            return chunk is null ? null : Volatile.Read(ref chunk[key & (ChunkSize - 1)]);
        }
    }

    /// <summary>Publishes one, in the place of one that is gone.</summary>
    public void Set(PortProtocol protocol, int port, Placeholder held)
    {
        int key = Key(protocol, port);
        ref Placeholder?[]? place = ref _chunks[key >> ChunkShift];
        Placeholder?[]? chunk = Volatile.Read(ref place);
        if (chunk is null)
        {
            chunk = new Placeholder?[ChunkSize];
            chunk = Interlocked.CompareExchange(ref place, chunk, null) ?? chunk;
        }

        Hook.At(Step.HoldPlaceholder);
        Interlocked.Exchange(ref chunk[key & (ChunkSize - 1)], held);
    }

    /// <summary>Takes one off, unless there is another in its place already.</summary>
    public void Remove(PortProtocol protocol, int port, Placeholder held)
    {
        int key = Key(protocol, port);
        Hook.At(Step.ForgetPlaceholder);
        Interlocked.CompareExchange(ref _chunks[key >> ChunkShift]![key & (ChunkSize - 1)], null, held);
    }

    public IEnumerable<Placeholder> All()
    {
        for (int chunk = 0; chunk < _chunks.Length; chunk++)
        {
            if (Volatile.Read(ref _chunks[chunk]) is not { } places)
            {
                continue;
            }

            for (int i = 0; i < places.Length; i++)
            {
                if (Volatile.Read(ref places[i]) is { } held)
                {
                    yield return held;
                }
            }
        }
    }

    private static int Key(PortProtocol protocol, int port) => ((int)protocol << 16) | port;
}
