using System.Globalization;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>A real folder for one test, in memory where the machine has such a place: what is
/// tested there is what is read and written, not the disk.</summary>
internal sealed class StateFolderOfTest : IDisposable
{
    private const string InMemory = "/dev/shm";

    public StateFolderOfTest(bool onDisk = false)
    {
        Path = System.IO.Path.Combine(onDisk || !Directory.Exists(InMemory) ? System.IO.Path.GetTempPath() : InMemory, $"portmap-{Guid.NewGuid():N}");
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public string StatePath => System.IO.Path.Combine(Path, FilePortStore.FileName);

    public FilePortStore Store(TimeProvider? time = null) => new(Path, time ?? TimeProvider.System);

    /// <summary>Opens, appends in one batch, closes.</summary>
    public async Task AppendAsync(params PortFact[] facts)
    {
        await using FilePortStore store = Store();
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        await store.AppendAsync(facts, CancellationToken.None).Within();
    }

    /// <summary>Opens, takes what stands and what could not be read, closes.</summary>
    public async Task<(List<string> Lines, List<string> Complaints)> LoadAsync()
    {
        PortFactSet facts = new();
        List<string> complaints = [];
        await using FilePortStore store = Store();
        await store.LoadAsync(facts.Apply, complaints.Add, CancellationToken.None).Within();
        return (FactGen.Lines(facts), complaints);
    }

    public string[] Files(string pattern) => Directory.GetFiles(Path, string.Create(CultureInfo.InvariantCulture, $"{FilePortStore.FileName}{pattern}"));

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
