using System.Xml.Linq;

namespace Portmap.Architecture.Tests.Reading;

/// <summary>The sources that a project compiles from outside of its own folder.</summary>
internal static class LinkedSources
{
    public static IEnumerable<(string Path, string Text)> Of(string project) =>
        from item in XDocument.Load(project).Descendants("Compile")
        from pattern in ((string?)item.Attribute("Include") ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        let full = Path.GetFullPath(pattern.Replace("**/", ""), Path.GetDirectoryName(project)!)
        from path in Directory.EnumerateFiles(
            Path.GetDirectoryName(full)!,
            Path.GetFileName(full),
            pattern.Contains("**") ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly)
        select (path, File.ReadAllText(path));
}
