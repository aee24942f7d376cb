using Portmap.Benchmarks.Quick;
using Portmap.Persistence;

namespace Portmap.Benchmarks.Persistence;

/// <summary>A real folder whose fsync takes at least so long: a disk that is slower than this
/// machine's.</summary>
internal sealed class SlowFolder(IStateFolder inner, TimeSpan sync) : IStateFolder
{
    public string Path => inner.Path;

    public void Take() => inner.Take();

    public IStateFile? Open(string name) => inner.Open(name) is { } file ? new SlowFile(file, sync) : null;

    public IStateFile Create(string name) => new SlowFile(inner.Create(name), sync);

    public void Rename(string from, string to) => inner.Rename(from, to);

    public void Delete(string name) => inner.Delete(name);

    public void Sync() => inner.Sync();

    public void Dispose() => inner.Dispose();

    private sealed class SlowFile(IStateFile inner, TimeSpan sync) : IStateFile
    {
        public long Length => inner.Length;

        public int Read(Span<byte> buffer, long offset) => inner.Read(buffer, offset);

        public void Write(ReadOnlySpan<byte> bytes, long offset) => inner.Write(bytes, offset);

        public void Truncate(long length) => inner.Truncate(length);

        public void Sync()
        {
            ThreadClock.Sleep(sync);
            inner.Sync();
        }

        public void Dispose() => inner.Dispose();
    }
}
