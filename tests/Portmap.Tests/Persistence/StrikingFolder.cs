using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>A folder in which one kind of operation on one file throws what no disk does, once, a
/// few times or for ever.</summary>
internal sealed class StrikingFolder(IStateFolder inner) : IStateFolder
{
    /// <summary>What is struck, and with what; null lets it be.</summary>
    public Func<string, string, Exception?> Strike { get; set; } = (_, _) => null;

    public string Path => inner.Path;

    public void Take() => inner.Take();

    public IStateFile? Open(string name)
    {
        StrikeAt("Open", name);
        return inner.Open(name) is { } file ? new StrikingFile(this, file, name) : null;
    }

    public IStateFile Create(string name)
    {
        StrikeAt("Create", name);
        return new StrikingFile(this, inner.Create(name), name);
    }

    public void Rename(string from, string to)
    {
        StrikeAt("Rename", from);
        inner.Rename(from, to);
    }

    public void Delete(string name) => inner.Delete(name);

    public void Sync()
    {
        StrikeAt("SyncFolder", string.Empty);
        inner.Sync();
    }

    public void Dispose() => inner.Dispose();

    private void StrikeAt(string operation, string name)
    {
        if (Strike(operation, name) is { } exception)
        {
            throw exception;
        }
    }

    private sealed class StrikingFile(StrikingFolder folder, IStateFile inner, string name) : IStateFile
    {
        public long Length => inner.Length;

        public int Read(Span<byte> buffer, long offset) => inner.Read(buffer, offset);

        public void Write(ReadOnlySpan<byte> bytes, long offset)
        {
            folder.StrikeAt("Write", name);
            inner.Write(bytes, offset);
        }

        public void Truncate(long length)
        {
            folder.StrikeAt("Truncate", name);
            inner.Truncate(length);
        }

        public void Sync()
        {
            folder.StrikeAt("Sync", name);
            inner.Sync();
        }

        public void Dispose()
        {
            inner.Dispose();
            folder.StrikeAt("Dispose", name);
        }
    }
}
