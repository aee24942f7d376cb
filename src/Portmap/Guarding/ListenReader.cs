namespace Portmap.Guarding;

/// <summary>
/// Reads who listens for all who ask at once: those who come while one read is under way share the
/// next one.
/// </summary>
/// <remarks>
/// The read an asker is answered with began after it had asked, so a socket that listened by then
/// is in it. Safe for any thread; the reads run on a thread of the pool, never on the asker's.
/// </remarks>
internal sealed class ListenReader(SimulatedHost? host)
{
    private readonly Lock _gate = new();
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
        lock (_gate)
        {
            TaskCompletionSource<ListenTable> next = line.Next ??= new TaskCompletionSource<ListenTable>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (!line.IsReading)
            {
                line.IsReading = true;
                ThreadPool.UnsafeQueueUserWorkItem(Run, line, preferLocal: false);
            }

            return next.Task;
        }
    }

    private void Run(Line line)
    {
        while (true)
        {
            TaskCompletionSource<ListenTable> asked;
            lock (_gate)
            {
                if (line.Next is null)
                {
                    line.IsReading = false;
                    return;
                }

                (asked, line.Next) = (line.Next, null);
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
        public PortProtocol Protocol { get; } = protocol;

        public TaskCompletionSource<ListenTable>? Next { get; set; }

        public bool IsReading { get; set; }
    }
}
