using System.Text.RegularExpressions;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace Portmap.Architecture.Tests.Reading;

/// <summary>
/// Which type of an assembly knows which, out of signatures and IL. What is nested, or made by the
/// compiler, is folded into its outermost type.
/// </summary>
/// <remarks>
/// Locals, and the fields of state machines and closures, are left out: they differ between Debug
/// and Release, and their types show where the value comes from. Constants leave no trace in IL and
/// are not seen.
/// </remarks>
internal sealed partial class AssemblyEdges
{
    private readonly ModuleDefinition _module;
    private readonly Dictionary<string, Edge> _edges = [];

    private AssemblyEdges(ModuleDefinition module) => _module = module;

    /// <summary>The types outside of all others that a person wrote.</summary>
    public IReadOnlyList<string> Types { get; private set; } = [];

    public IReadOnlyList<Edge> Edges { get; private set; } = [];

    public static AssemblyEdges Of(string path)
    {
        using var module = ModuleDefinition.ReadModule(path, new ReaderParameters { ReadSymbols = true });
        return Of(module);
    }

    public static AssemblyEdges Of(Stream assembly)
    {
        using var module = ModuleDefinition.ReadModule(assembly);
        return Of(module);
    }

    private static AssemblyEdges Of(ModuleDefinition module)
    {
        var edges = new AssemblyEdges(module);
        List<TypeDefinition> written = [.. module.Types.Where(IsWritten)];
        foreach (TypeDefinition type in written)
        {
            edges.AddType(NameOf(type), type);
        }

        HashSet<string> names = [.. written.Select(NameOf)];
        edges.Types = [.. names.Order(StringComparer.Ordinal)];
        edges.Edges = [.. edges._edges.Values.Where(edge => names.Contains(edge.To)).OrderBy(edge => edge.Name, StringComparer.Ordinal)];
        return edges;
    }

    private static bool IsWritten(TypeDefinition type) => !type.Name.StartsWith('<') && !type.Name.StartsWith("__", StringComparison.Ordinal)
        && !type.CustomAttributes.Any(attribute => attribute.AttributeType.Name is "CompilerGeneratedAttribute" or "GeneratedCodeAttribute" or "EmbeddedAttribute");

    private static string NameOf(TypeReference type)
    {
        while (type.DeclaringType is { } outer)
        {
            type = outer;
        }

        return type.Name.Split('`')[0];
    }

    private void AddType(string from, TypeDefinition type)
    {
        Know(from, type.BaseType, "its base");
        type.Interfaces.ToList().ForEach(implemented => Know(from, implemented.InterfaceType, "its interfaces"));
        AddConstraints(from, type, type.Name);
        AddAttributes(from, type, type.Name);
        if (!type.Name.StartsWith('<'))
        {
            foreach (FieldDefinition field in type.Fields)
            {
                Know(from, field.FieldType, Written(field));
                AddAttributes(from, field, Written(field));
            }
        }

        foreach (MethodDefinition method in type.Methods)
        {
            AddSignature(from, method);
            AddBody(from, method);
        }

        foreach (TypeDefinition nested in type.NestedTypes)
        {
            AddType(from, nested);
        }
    }

    private void AddSignature(string from, MethodDefinition method)
    {
        string where = $"the signature of {Written(method)}";
        Know(from, method.ReturnType, where);
        method.Parameters.ToList().ForEach(parameter => Know(from, parameter.ParameterType, where));
        AddConstraints(from, method, where);
        AddAttributes(from, method, where);
    }

    private void AddConstraints(string from, IGenericParameterProvider generic, string where) =>
        generic.GenericParameters.SelectMany(parameter => parameter.Constraints).ToList().ForEach(constraint => Know(from, constraint.ConstraintType, where));

    private void AddAttributes(string from, ICustomAttributeProvider holder, string where)
    {
        foreach (CustomAttribute attribute in holder.CustomAttributes)
        {
            Know(from, attribute.AttributeType, where);
            attribute.ConstructorArguments.Select(argument => argument.Value).OfType<TypeReference>().ToList().ForEach(type => Know(from, type, where));
        }
    }

    private void AddBody(string from, MethodDefinition method)
    {
        if (!method.HasBody)
        {
            return;
        }

        method.Body.ExceptionHandlers.ToList().ForEach(handler => Know(from, handler.CatchType, Written(method)));
        string where = Written(method);
        foreach (Instruction instruction in method.Body.Instructions)
        {
            if (method.DebugInformation.GetSequencePoint(instruction) is { IsHidden: false } point)
            {
                where = $"{Written(method)} ({Shortened(point.Document.Url)}:{point.StartLine})";
            }

            switch (instruction.Operand)
            {
                case TypeReference type:
                    Know(from, type, where);
                    break;
                case FieldReference field:
                    Know(from, field.DeclaringType, where);
                    break;
                case MethodReference called:
                    Know(from, called.DeclaringType, where);
                    Know(from, called.ReturnType, where);
                    (called as GenericInstanceMethod)?.GenericArguments.ToList().ForEach(argument => Know(from, argument, where));
                    break;
            }
        }
    }

    private void Know(string from, TypeReference? type, string where)
    {
        switch (type)
        {
            case null or GenericParameter:
                return;
            case GenericInstanceType generic:
                Know(from, generic.ElementType, where);
                generic.GenericArguments.ToList().ForEach(argument => Know(from, argument, where));
                return;
            case IModifierType modified:
                Know(from, modified.ElementType, where);
                return;
            case TypeSpecification specification:   // an array, a pointer, something by reference
                Know(from, specification.ElementType, where);
                return;
        }

        if (type.Scope == _module && NameOf(type) is var to && to != from)
        {
            Edge edge = new(from, to, where);
            _edges.TryAdd(edge.Name, edge);
        }
    }

    /// <summary>
    /// The member that a person wrote, where the compiler made one or more out of it.
    /// </summary>
    private static string Written(MemberReference member)
    {
        string name = $"{member.DeclaringType?.Name}.{member.Name}";
        return CompilerMade().Match(name) is { Success: true } made ? $"{NameOf(member.DeclaringType!)}.{made.Groups[1].Value}" : name;
    }

    private static string Shortened(string path) => path[(path.LastIndexOf("src/", StringComparison.Ordinal) is var at and >= 0 ? at : 0)..];

    [GeneratedRegex(@"<([\w.]+)>")]
    private static partial Regex CompilerMade();
}
