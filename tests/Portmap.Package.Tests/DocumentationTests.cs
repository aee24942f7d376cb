using System.IO.Compression;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using System.Xml.Linq;
using FluentAssertions;
using Xunit;

namespace Portmap.Package.Tests;

/// <summary>The documentation that ships: of every public member, and of nothing else.</summary>
[Collection(nameof(PackedPackages))]
public sealed class DocumentationTests(PackedPackages packages)
{
    [Theory]
    [InlineData("Portmap")]
    [InlineData("Portmap.Rpc")]
    [InlineData("Portmap.Hosting")]
    [InlineData("Portmap.AspNetCore")]
    [InlineData("Portmap.Testing")]
    public void Package_DocumentsEveryPublicMemberAndNothingElse(string package)
    {
        string[] documented = [.. Documentation(package).Descendants("member").Select(member => member.Attribute("name")!.Value)];

        HashSet<string> mustBe = [], mayBe = [];
        foreach (Type type in Load(package).GetExportedTypes())
        {
            mustBe.Add("T:" + DocumentationId.Of(type));
            const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
            foreach (MemberInfo member in type.GetMembers(Declared).Where(IsSeen))
            {
                (IsWritten(member) ? mustBe : mayBe).Add(DocumentationId.Of(member));
            }
        }

        documented.Should().OnlyHaveUniqueItems();
        mustBe.Except(documented).Should().BeEmpty("a user reads what a public member does");
        documented.Except(mustBe).Except(mayBe).Should().BeEmpty("nobody but us can see the others");
    }

    [Theory]
    [InlineData("Portmap")]
    [InlineData("Portmap.Rpc")]
    [InlineData("Portmap.Hosting")]
    [InlineData("Portmap.AspNetCore")]
    [InlineData("Portmap.Testing")]
    public void Package_DocumentationSpeaksOfNothingThatIsNotPublic(string package)
    {
        HashSet<string> known = [];
        foreach (string one in PackedPackages.Names)
        {
            known.UnionWith(Documentation(one).Descendants("member").Select(member => member.Attribute("name")!.Value));
        }

        Documentation(package).Descendants().Attributes("cref").Select(cref => cref.Value)
            .Where(cref => cref[2..].StartsWith("Portmap.", StringComparison.Ordinal))
            .Where(cref => !known.Contains(cref)).Distinct()
            .Should().BeEmpty("a link has to lead somewhere");
    }

    private XDocument Documentation(string package)
    {
        using ZipArchive archive = packages.Open(package);
        using Stream stream = archive.GetEntry($"lib/net10.0/{package}.xml")!.Open();
        return XDocument.Load(stream);
    }

    /// <summary>Loads the assembly of a package beside the one that these tests were built
    /// with.</summary>
    private Assembly Load(string package)
    {
        AssemblyLoadContext context = new(package, isCollectible: true);
        context.Resolving += (_, name) => PackedPackages.Names.Contains(name.Name) ? Unpack(context, name.Name!) : null;
        return Unpack(context, package);
    }

    private Assembly Unpack(AssemblyLoadContext context, string package)
    {
        using ZipArchive archive = packages.Open(package);
        using Stream packed = archive.GetEntry($"lib/net10.0/{package}.dll")!.Open();
        using MemoryStream bytes = new();
        packed.CopyTo(bytes);
        bytes.Position = 0;
        return context.LoadFromStream(bytes);
    }

    // Public, or for those who inherit the type.
    private static bool IsSeen(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic || ((method.IsFamily || method.IsFamilyOrAssembly) && !method.IsDefined(typeof(CompilerGeneratedAttribute))),
        FieldInfo field => field.IsPublic || field.IsFamily,
        PropertyInfo property => Array.Exists(property.GetAccessors(nonPublic: true), IsSeen),
        EventInfo occurrence => IsSeen(occurrence.AddMethod!),
        Type nested => nested.IsNestedPublic || nested.IsNestedFamily,
        _ => true,
    };

    // What somebody wrote: neither what the compiler makes of a record or an enum, nor an accessor,
    // nor a constructor that it adds.
    private static bool IsWritten(MemberInfo member) => member switch
    {
        ConstructorInfo { IsFamily: true } or MethodInfo { Name: "Finalize" } => false,
        MethodInfo { IsSpecialName: true } method => method.Name.StartsWith("op_", StringComparison.Ordinal) && !method.IsDefined(typeof(CompilerGeneratedAttribute)),
        ConstructorInfo constructor => constructor.GetParameters().Length > 0,
        FieldInfo field => !field.IsSpecialName,
        _ => !member.IsDefined(typeof(CompilerGeneratedAttribute)),
    };
}
