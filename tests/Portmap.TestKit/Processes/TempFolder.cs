namespace Portmap.TestKit.Processes;

/// <summary>A folder of one test, gone with it.</summary>
public sealed class TempFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portmap-test-");

    /// <summary>A path inside it.</summary>
    public string this[string name] => Path.Combine(_folder.FullName, name);

    /// <summary>The folder itself.</summary>
    public string FullName => _folder.FullName;

    /// <inheritdoc/>
    public void Dispose() => _folder.Delete(recursive: true);
}
