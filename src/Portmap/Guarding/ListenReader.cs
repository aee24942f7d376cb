namespace Portmap.Guarding;

/// <summary>
/// Reads who listens for all who ask at once: those who come while one read is under way share the
/// next one.
/// </summary>
/// <remarks>
/// The read an asker is answered with began after it had asked, so a socket that listened by then
/// is in it. Safe for any thread, and lock-free; the reads run on a thread of the pool, never on the
/// asker's.
/// </remarks>
internal sealed class ListenReader(SimulatedHost? host)
{
    private readonly Line[] _lines = [new(PortProtocol.Tcp), new(PortProtocol.Udp)];
    private int _reads;

    /// <summary>The host that is asked, when it is made up.</summary>
    public SimulatedHost? Host { get; } = host;

    /// <summary>How often the kernel was asked.</summary>
    public int Reads => Volatile.Read(ref _reads);

    /// <summary>Reads now, on the caller's thread: for passes.</summary>
    public ListenTable Read(PortProtocol protocol)
    {
        NoteRead();
        return Host is null ? ListenTable.Read(protocol) : ListenTable.Of(Host, protocol);
    }

    /// <summary>Somebody else asks the kernel.</summary>
    public void NoteRead() => Interlocked.Increment(ref _reads);

    /// <summary>Answers with the next read.</summary>
    public Task<ListenTable> ReadAsync(PortProtocol protocol)
    {
        Line line = _lines[(int)protocol];
        TaskCompletionSource<ListenTable>? next = Volatile.Read(ref line.Next);
        if (next is null)
        {
            TaskCompletionSource<ListenTable> made = new(TaskCreationOptions.RunContinuationsAsynchronously);
            next = Interlocked.CompareExchange(ref line.Next, made, null) ?? made;   // publishes it to the others who ask, and to who reads
        }

        if (line.TryBegin())
        {
            ThreadPool.UnsafeQueueUserWorkItem(Run, line, preferLocal: false);
        }

        return next.Task;
    }

    private void Run(Line line)
    {
        while (true)
        {
            TaskCompletionSource<ListenTable>? asked = Interlocked.Exchange(ref line.Next, null);
            if (asked is null)
            {
                line.End();
                if (Volatile.Read(ref line.Next) is null || !line.TryBegin())
                {
                    return;
                }

                continue;   // somebody asked meanwhile, and saw that one reads
            }

            try
            {
                asked.SetResult(Read(line.Protocol));
            }
            catch (Exception exception)
            {
                asked.SetException(exception);
            }
        }
    }

    /// <summary>Those who ask about one protocol.</summary>
    private sealed class Line(PortProtocol protocol)
    {
        /// <summary>What the next read answers; null when nobody asks.</summary>
        public TaskCompletionSource<ListenTable>? Next;

        private int _isReading;

        public PortProtocol Protocol { get; } = protocol;

        /// <summary>Begins to read for them, unless somebody does.</summary>
        public bool TryBegin() => Interlocked.CompareExchange(ref _isReading, 1, 0) == 0;

        /// <summary>Reads no more. A full fence: who asks writes <see cref="Next"/> and then looks
        /// whether somebody reads, and who read looks at <see cref="Next"/> after this, so that one
        /// of the two begins.</summary>
        public void End() => Interlocked.Exchange(ref _isReading, 0);
    }
}
