using Portmap.Benchmarks.Quick;
using Portmap.Persistence;

namespace Portmap.Benchmarks.Persistence;

/// <summary>A real folder whose fsync takes at least so long: a disk that is slower than this
/// machine's. Those of its files are counted.</summary>
internal sealed class SlowFolder(IStateFolder inner, TimeSpan sync) : IStateFolder
{
    private int _syncs;

    public string Path => inner.Path;

    /// <summary>How many there were.</summary>
    public int Syncs => Volatile.Read(ref _syncs);

    public void Take() => inner.Take();

    public IStateFile? Open(string name) => inner.Open(name) is { } file ? new SlowFile(this, file, sync) : null;

    public IStateFile Create(string name) => new SlowFile(this, inner.Create(name), sync);

    public void Rename(string from, string to) => inner.Rename(from, to);

    public void Delete(string name) => inner.Delete(name);

    public void Sync() => inner.Sync();

    public void Dispose() => inner.Dispose();

    private sealed class SlowFile(SlowFolder folder, IStateFile inner, TimeSpan sync) : IStateFile
    {
        public long Length => inner.Length;

        public int Read(Span<byte> buffer, long offset) => inner.Read(buffer, offset);

        public void Write(ReadOnlySpan<byte> bytes, long offset) => inner.Write(bytes, offset);

        public void Truncate(long length) => inner.Truncate(length);

        public void Sync()
        {
            if (sync > TimeSpan.Zero)
            {
                ThreadClock.Sleep(sync);
            }

            inner.Sync();
            Interlocked.Increment(ref folder._syncs);
        }

        public void Dispose() => inner.Dispose();
    }
}
