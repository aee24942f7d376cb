namespace Portmap.Etcd.Tests;

public class ReadmeTests
{
    [Fact]
    public void Readme_ItsCode_StandsInTheExamplesThatCompile()
    {
        string examples = Flat(File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "ReadmeExamples.cs")));
        string[] blocks = [.. File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md")).Split("```csharp\n").Skip(1).Select(part => part.Split("```")[0])];

        blocks.Should().HaveCount(3);
        blocks.Should().OnlyContain(block => examples.Contains(Flat(block.Split('\n', StringSplitOptions.None)), StringComparison.Ordinal));
    }

    private static string Flat(string[] lines) => string.Join('\n', lines.Select(line => line.Trim()).Where(line => line.Length != 0));
}
